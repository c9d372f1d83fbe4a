"""Every error code is listed once, raised by the code, and looked at by a test."""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path

import pytest

from floe_contracts.errors import FloeError

ROOT = Path(__file__).parents[2]
CODE = re.compile(r'"(FLOE-[A-Z]+-\d{3})"')


@cache
def found() -> tuple[type[FloeError], ...]:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        from reference_generator import discovery  # type: ignore[import-not-found]  # a folder of scripts
    finally:
        sys.path.remove(str(ROOT / "docs"))
    return tuple(discovery.errors(ROOT))


def text_of(files: list[Path]) -> str:
    return "\n".join(file.read_text("utf-8") for file in sorted(files))


@cache
def sources() -> str:
    return text_of(
        [*ROOT.glob("libs/*/src/**/*.py"), *ROOT.glob("services/*/src/**/*.py"), *ROOT.glob("cli/src/**/*.py")]
    )


@cache
def looked_at() -> str:
    files = [
        *ROOT.glob("libs/*/tests/**/*.py"),
        *ROOT.glob("services/*/tests/**/*.py"),
        *ROOT.glob("cli/tests/**/*.py"),
    ]
    own = [file for file in ROOT.glob("tests/**/*.py") if "node_modules" not in file.parts]
    return text_of([file for file in [*files, *own] if file != Path(__file__)])


def test_every_code_in_the_sources_is_listed_in_the_reference_and_the_other_way_round() -> None:
    listed = set(re.findall(r"FLOE-[A-Z]+-\d{3}", (ROOT / "docs/reference/errors.md").read_text("utf-8")))
    assert {error.code for error in found()} == listed
    assert set(CODE.findall(sources())) <= listed


@pytest.mark.parametrize("error", found(), ids=lambda error: error.code)
def test_a_test_looks_at_the_error(error: type[FloeError]) -> None:
    assert re.search(rf"\b{error.__name__}\b|{error.code}", looked_at()), (
        f"no test names {error.__name__} or {error.code}"
    )


@pytest.mark.parametrize("error", found(), ids=lambda error: error.code)
def test_the_error_is_raised_or_is_the_root_of_some_that_are(error: type[FloeError]) -> None:
    used = re.findall(rf"\b{error.__name__}\b", sources())
    assert len(used) > 1, f"{error.__name__} is defined and never used"
