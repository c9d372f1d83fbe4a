"""The published versions of every event: read by today's models, and written byte for byte by today's writers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from floe_contracts.cloudevents import SCHEMA_ROOT, decode, encode
from floe_contracts.events import EVENTS, VERSION
from floe_contracts.subjects import EventKind

GOLDEN = Path(__file__).parent / "golden" / "events"
SCHEMAS = Path(__file__).parents[1] / "src" / "floe_contracts" / "schemas"
ALL = sorted(GOLDEN.glob("*/*.json"))
CURRENT = sorted((GOLDEN / VERSION).glob("*.json"))


def read(path: Path) -> tuple[str, dict[str, str], dict[str, Any]]:
    golden = json.loads(path.read_text())
    return golden["subject"], golden["headers"], golden["body"]


def compact(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


BY_NAME = ("environments", "platform_parents", "vars")
"""Objects that hold one entry for each name, instead of fields."""


def with_unknown_fields(value: Any, of: str = "") -> Any:
    """`value` as a later minor could have written it: one more field in every object; `of` is the field it is in."""
    if isinstance(value, dict):
        known = {key: with_unknown_fields(item, key) for key, item in value.items()}
        return known if of in BY_NAME else known | {"aFieldOfALaterMinor": {"nested": [1, None]}}
    return [with_unknown_fields(item, of) for item in value] if isinstance(value, list) else value


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def test_every_kind_has_a_golden_of_the_current_version() -> None:
    assert {path.stem for path in CURRENT} == {kind.value for kind in EventKind}


@pytest.mark.parametrize("path", ALL, ids=name)
def test_an_old_golden_is_read(path: Path) -> None:
    subject, headers, body = read(path)
    received = decode(subject, headers, compact(body))
    assert received.event.kind.value == path.stem
    assert received.event.subject() == subject
    assert received.attributes.traceparent == headers["traceparent"]


@pytest.mark.parametrize("path", CURRENT, ids=name)
def test_todays_writer_writes_the_golden_bytes(path: Path) -> None:
    subject, headers, body = read(path)
    event = EVENTS[EventKind(path.stem)].model_validate(body)
    written_headers, written = encode(event, decode(subject, headers, compact(body)).attributes)
    assert written == compact(body)
    assert list(written_headers.items()) == list(headers.items())


@pytest.mark.parametrize("path", CURRENT, ids=name)
def test_a_later_minor_with_unknown_fields_is_read(path: Path) -> None:
    subject, headers, body = read(path)
    later = headers | {"ce-dataschema": headers["ce-dataschema"].replace("/1.0.", "/1.7."), "ce-newattribute": "x"}
    received = decode(subject, later, compact(with_unknown_fields(body)))
    expected = decode(subject, headers, compact(body)).event
    changes = {"artifact": with_unknown_fields(body["artifact"])} if "artifact" in body else {}
    assert received.event == expected.model_copy(update=changes)


@pytest.mark.parametrize("path", CURRENT, ids=name)
def test_a_writer_refuses_an_unknown_field(path: Path) -> None:
    _, _, body = read(path)
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        EVENTS[EventKind(path.stem)].model_validate(body | {"unknown": 1})


@pytest.mark.parametrize("path", ALL, ids=name)
def test_a_golden_fulfils_the_schema_that_it_names(path: Path) -> None:
    _, headers, body = read(path)
    schema = json.loads(
        (SCHEMAS / headers["ce-dataschema"].removeprefix(f"{SCHEMA_ROOT}/")).read_text(encoding="utf-8")
    )
    assert schema["$id"] == headers["ce-dataschema"]
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(body)
