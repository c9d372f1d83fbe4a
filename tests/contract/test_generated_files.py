"""`make generate` and `make check`: deterministic, and a published schema is never changed."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from floe_contracts.events import VERSION

DOCS = Path(__file__).parents[2] / "docs"
SCHEMAS = Path("libs/contracts/src/floe_contracts/schemas")
EVENT = SCHEMAS / "events" / "run.started" / f"{VERSION}.json"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    sys.path.insert(0, str(DOCS))
    try:
        return importlib.import_module("generate_reference")
    finally:
        sys.path.remove(str(DOCS))


@pytest.fixture
def generated(generator: ModuleType, tmp_path: Path) -> Path:
    """A folder with everything generated into it."""
    assert generator.main([], tmp_path) == 0
    return tmp_path


def test_what_is_committed_is_what_the_code_says(generator: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert generator.main(["--check"]) == 0, capsys.readouterr().out


def test_generated_files_are_the_same_each_time_and_name_no_machine(generator: ModuleType, generated: Path) -> None:
    before = {path: path.read_text() for path in generated.rglob("*") if path.is_file()}
    assert generator.main([], generated) == 0
    assert {path: path.read_text() for path in generated.rglob("*") if path.is_file()} == before
    for place in (DOCS.parent, Path.home(), Path(sys.prefix)):
        assert not [path for path, text in before.items() if str(place) in text]


def test_a_difference_is_told_with_what_to_do(
    generator: ModuleType, generated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = generated / "docs" / "reference" / "errors.md"
    page.write_text(page.read_text().replace("FLOE-BUS-001", "FLOE-BUS-999"))
    (generated / "docs" / "reference" / "old.md").write_text("old")
    (generated / SCHEMAS / "floe-spec.json").unlink()
    assert generator.main(["--check"], generated) == 1
    told = capsys.readouterr().out
    assert "docs/reference/errors.md: 2 lines differ" in told
    assert "docs/reference/old.md: nothing generates it" in told
    assert f"{SCHEMAS}/floe-spec.json: missing" in told
    assert "make generate" in told
    assert generator.main([], generated) == 0
    assert generator.main(["--check"], generated) == 0


@pytest.mark.parametrize("arguments", [[], ["--check"]])
def test_the_meaning_of_a_published_schema_is_never_changed(
    generator: ModuleType, generated: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    schema = json.loads((generated / EVENT).read_text())
    del schema["properties"]["attempt"]
    published = json.dumps(schema)
    (generated / EVENT).write_text(published)
    assert generator.main(arguments, generated) == 1
    told = capsys.readouterr().out
    assert str(EVENT) in told
    assert "Bump the version" in told
    assert (generated / EVENT).read_text() == published


def test_descriptions_may_be_improved_and_old_versions_stay(generator: ModuleType, generated: Path) -> None:
    current = (generated / EVENT).read_text()
    older = (generated / EVENT).with_name("0.9.json")
    older.write_text("{}")
    schema = json.loads(current)
    schema["description"] = schema["properties"]["attempt"]["description"] = "Said worse."
    (generated / EVENT).write_text(json.dumps(schema))
    assert generator.main(["--check"], generated) == 1
    assert generator.main([], generated) == 0
    assert (generated / EVENT).read_text() == current
    assert older.exists()


def test_wrong_usage_is_told(generator: ModuleType, tmp_path: Path) -> None:
    assert generator.main(["--chekc"], tmp_path) == 64
    assert list(tmp_path.iterdir()) == []
