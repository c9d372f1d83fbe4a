from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

import floe_contracts.artifacts
import floe_contracts.documents.reading  # noqa: F401  # every module that defines errors
from floe_contracts.errors import (
    BlobCorrupt,
    BlobMissing,
    DocumentInvalid,
    FloeError,
    LeaseLost,
    Permanent,
    Transient,
    Unreachable,
    Where,
    WrongUsage,
)
from floe_contracts.events import Problem


def subclasses(root: type[FloeError]) -> Iterator[type[FloeError]]:
    for child in root.__subclasses__():
        yield child
        yield from subclasses(child)


def test_codes_are_unique_well_formed_and_have_titles_of_their_own() -> None:
    found: list[type[FloeError]] = [FloeError, *subclasses(FloeError)]
    own = [error for error in found if error.__module__.startswith("floe_")]
    for error in own:
        assert re.fullmatch(r"FLOE-[A-Z]+-\d{3}", error.__dict__["code"]), error
        assert error.__dict__["title"]
    assert len({error.code for error in own}) == len(own)


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        (Where("floe.yaml", 3, 7, "metadata.name"), "floe.yaml:3:7 (metadata.name)"),
        (Where("floe.yaml", 3, 7), "floe.yaml:3:7"),
        (Where("floe.yaml"), "floe.yaml"),
        (Where(path="metadata.name"), "metadata.name"),
        (Where(), ""),
    ],
)
def test_a_place_is_shown_as_far_as_it_is_known(where: Where, shown: str) -> None:
    assert str(where) == shown


def test_an_error_says_code_place_message_and_hint() -> None:
    error = FloeError("it is broken", where=Where("a.yaml", 1, 2), hint="mend it")
    assert str(error) == "FLOE-CORE-001 a.yaml:1:2: it is broken (hint: mend it)"
    assert str(FloeError("it is broken")) == "FLOE-CORE-001: it is broken"


@pytest.mark.parametrize(
    ("kind", "code", "delivery"),
    [
        (Transient, "FLOE-CORE-002", Transient),
        (Permanent, "FLOE-CORE-003", Permanent),
        (Unreachable, "FLOE-BUS-002", Transient),
        (LeaseLost, "FLOE-BUS-003", Transient),
        (BlobMissing, "FLOE-BLOB-001", Transient),
        (BlobCorrupt, "FLOE-BLOB-002", Permanent),
    ],
)
def test_an_error_tells_the_bus_whether_to_try_again(
    kind: type[FloeError], code: str, delivery: type[FloeError]
) -> None:
    with pytest.raises(delivery) as caught:
        raise kind("no")
    assert caught.value.code == code


def test_wrong_usage_says_nothing_about_delivery() -> None:
    with pytest.raises(WrongUsage) as caught:
        raise WrongUsage("no such option", hint="see --help")
    assert caught.value.code == "FLOE-CLI-001"
    assert not isinstance(caught.value, Transient | Permanent)


def test_an_invalid_document_carries_every_problem() -> None:
    problems = [FloeError("one"), FloeError("two")]
    error = DocumentInvalid(iter(problems))
    assert error.problems == tuple(problems)
    assert str(error) == "FLOE-SPEC-001: 2 problems found"
    assert DocumentInvalid(problems[:1]).message == "1 problem found"


def test_an_error_travels_as_a_problem() -> None:
    full = FloeError("it is broken", where=Where("a.yaml", 1, 2, "metadata.name"), hint="mend it")
    assert Problem.of(full).model_dump() == {
        "code": "FLOE-CORE-001",
        "message": "it is broken",
        "file": "a.yaml",
        "line": 1,
        "column": 2,
        "path": "metadata.name",
        "hint": "mend it",
    }
    assert Problem.of(Transient("wait")).model_dump(exclude_none=True) == {"code": "FLOE-CORE-002", "message": "wait"}
