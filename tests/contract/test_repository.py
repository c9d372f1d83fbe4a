"""What must be true of the repository as a whole."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from floe_contracts.documents.reading import read_floe_spec, read_platform_spec
from floe_contracts.errors import FloeError

ROOT = Path(__file__).parents[2]
# Spelled in parts, so that this file is not found by itself.
ADDRESSES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pypi", "python", "org"),
        ("files", "pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("conda", "anaconda", "org"),
        ("proxy", "golang", "org"),
        ("repo1", "maven", "org"),
        ("repo", "maven", "apache", "org"),
        ("static", "crates", "io"),
        ("rubygems", "org"),
        ("deb", "debian", "org"),
        ("img", "shields", "io"),
    )
]
LOCKS = {"uv.lock", "poetry.lock", "Pipfile.lock", "pdm.lock"}


def files() -> list[Path]:
    """Every file that is committed or would be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in sorted(set(listed.split("\0"))) if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def texts() -> dict[Path, str]:
    found = {}
    for path in files():
        content = path.read_bytes()
        if b"\0" not in content:
            found[path] = content.decode("utf-8", errors="replace")
    assert len(found) > 100
    return found


def all_errors() -> list[type[FloeError]]:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        discovery = importlib.import_module("reference_generator.discovery")
    finally:
        sys.path.remove(str(ROOT / "docs"))
    found: list[type[FloeError]] = discovery.errors(ROOT)
    return found


ERRORS = all_errors()


def test_no_file_holds_the_address_of_a_package_index(texts: dict[Path, str]) -> None:
    found = [
        (str(path.relative_to(ROOT)), address)
        for path, text in texts.items()
        for address in ADDRESSES
        if address in text
    ]
    assert found == []


def test_no_lock_file_that_would_hold_addresses_is_there() -> None:
    assert [path for path in files() if path.name in LOCKS] == []


def test_no_file_names_a_folder_of_this_machine(texts: dict[Path, str]) -> None:
    folder = str(ROOT)
    assert [str(path.relative_to(ROOT)) for path, text in texts.items() if f"{folder}/" in text] == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "examples").glob("*/*.yaml")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_every_document_of_the_examples_is_valid(path: Path) -> None:
    read = {"floe.yaml": read_floe_spec, "platform.yaml": read_platform_spec}[path.name]
    assert read(path.read_text(encoding="utf-8"), path.name).metadata.owner


def test_every_example_has_both_documents() -> None:
    folders = {path.parent for path in (ROOT / "examples").glob("*/floe.yaml")}
    assert folders
    assert folders == {path.parent for path in (ROOT / "examples").glob("*/platform.yaml")}


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [error.code for error in ERRORS]
    assert sorted(codes) == sorted(set(codes))
    assert all(re.fullmatch(r"FLOE-[A-Z]+-\d{3}", code) for code in codes)
    assert all("code" in vars(error) and "title" in vars(error) for error in ERRORS)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_every_error_is_in_the_reference_and_raised_by_a_test(error: type[FloeError], texts: dict[Path, str]) -> None:
    assert f"`{error.code}`" in texts[ROOT / "docs" / "reference" / "errors.md"]
    named = re.compile(rf"\b({re.escape(error.code)}|{error.__name__})\b")
    tests = [text for path, text in texts.items() if "tests" in path.parts and path.suffix == ".py"]
    assert any(named.search(text) for text in tests), f"no test speaks of {error.__name__} ({error.code})"
