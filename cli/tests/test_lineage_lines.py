"""Lineage events as lines: floe's own, those of others, and rubbish."""

from __future__ import annotations

import json
from typing import Any

import pytest

from floe_cli.lineage_lines import json_line, short_line

CORE = {
    "eventTime": "2026-11-21T10:00:00Z",
    "producer": "https://example.com/airflow",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
}
RUN = {"run": {"runId": "0192f0a4-1b2c-7d3e-8f40-5a6b7c8d9e0f"}, "job": {"namespace": "airflow", "name": "load"}}


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (RUN | {"eventType": "START"}, "2026-11-21T10:00:00Z  START     load"),
        (RUN, "2026-11-21T10:00:00Z  OTHER     load"),
        ({"job": RUN["job"]}, "2026-11-21T10:00:00Z  JOB       load"),
        ({"dataset": {"namespace": "s3://raw", "name": "a.csv"}}, "2026-11-21T10:00:00Z  DATASET   a.csv"),
    ],
    ids=["run", "no-type", "job", "dataset"],
)
def test_every_kind_of_event_is_one_line(event: dict[str, Any], line: str) -> None:
    assert short_line(json.dumps(CORE | event).encode()) == line


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"{}"], ids=["empty", "list", "bytes", "no-core"])
def test_rubbish_is_said_to_be_rubbish(body: bytes) -> None:
    assert short_line(body) == f"not an OpenLineage event ({len(body)} bytes)"


def test_json_is_always_one_line() -> None:
    assert json_line(b'{"a":\n "gr\xc3\xbcn"}') == '{"a": "grün"}'
    assert json_line(b"not\njson") == '"not\\njson"'
    assert json_line(b'"\\ud800"') == '"\\ud800"'
    assert json_line(b"[" * 100_000) == f'"{"[" * 100_000}"'
