"""How an event becomes a message: subject, headers and id. The same rules as those of floe's own events.

Fields are read from the JSON, so that events of both of the client's generations (`run`, `event_v2`) are taken.
"""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-")
_PRINTABLE = " !#$&'()*+,/:;=?@[]{}<>|\\^`~\"-._"
_LONGEST_TOKEN = 500
_KEPT_OF_LONG_NAME = 30


def subject_of(template: str, event: dict[str, Any]) -> str:
    """The subject of an event: the template, with the job and the type as tokens."""
    if "{" not in template:
        return template
    name = _named(event)["name"]
    return template.replace("{job}", _token(name)).replace("{eventType}", _event_type(event).lower())


def message_id(event: dict[str, Any], body: bytes) -> str:
    """The id by which a stream tells an event that it has already (OpenLineage pull request 4972)."""
    digest = hashlib.sha256(body).hexdigest()
    if "run" in event:
        return f"{event['run']['runId']}:{_event_type(event)}:{digest}"
    return f"{_event_type(event).lower()}:{digest}"


def headers_of(event: dict[str, Any]) -> dict[str, str]:
    """The headers by which readers choose."""
    named = _named(event)
    headers = {
        "Content-Type": "application/json",
        "Floe-Job-Namespace": quote(named["namespace"], safe=_PRINTABLE),
        "Floe-Job": quote(named["name"], safe=_PRINTABLE),
        "Floe-Event-Type": _event_type(event),
    }
    if "run" in event:
        headers["Floe-Run-Id"] = event["run"]["runId"]
        headers["Floe-Root-Run-Id"] = _root(event["run"])
    return headers


def _named(event: dict[str, Any]) -> dict[str, str]:
    """The job; of an event without one, the dataset."""
    named: dict[str, str] = event["dataset"] if "dataset" in event else event["job"]
    return named


def _event_type(event: dict[str, Any]) -> str:
    if "run" in event:
        return str(event.get("eventType") or "OTHER")
    return "DATASET" if "dataset" in event else "JOB"


def _root(run: dict[str, Any]) -> str:
    parent = (run.get("facets") or {}).get("parent") or {}
    for holder in (parent.get("root") or {}, parent):
        identity = (holder.get("run") or {}).get("runId")
        if identity:
            return str(identity)
    return str(run["runId"])


def _token(name: str) -> str:
    """`name` as one token of a subject; a long one is cut and ends in its digest."""
    token = _escaped(name)
    if len(token) <= _LONGEST_TOKEN:
        return token
    return _escaped(f"{name[:_KEPT_OF_LONG_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:32]}")


def _escaped(name: str) -> str:
    return "".join(chr(byte) if byte in _PLAIN else f"_{byte:02x}" for byte in name.encode())
