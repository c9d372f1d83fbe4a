"""Lineage events as lines for people to read."""

from __future__ import annotations

import json

from floe_contracts.openlineage.core_check import check_core
from floe_contracts.openlineage.envelope import read_envelope


def short_line(body: bytes) -> str:
    """Time, type and name of an event; what is no OpenLineage is said to be none, as anybody may write to the bus."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        event = None
    if check_core(event):
        return f"not an OpenLineage event ({len(body)} bytes)"
    envelope = read_envelope(event)
    return f"{event['eventTime']}  {envelope.event_type:8}  {envelope.name}"


def json_line(body: bytes) -> str:
    """The event as JSON on one line; what is no JSON is told as a JSON text."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return json.dumps(body.decode(errors="replace"))
    line = json.dumps(event, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:  # half of a pair of surrogates, which JSON can name and UTF-8 cannot hold
        return json.dumps(event)
    return line
