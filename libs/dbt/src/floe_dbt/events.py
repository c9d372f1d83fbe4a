"""dbt's structured log, read as what happened to nodes.

The log is that of `--log-format json` at the info level. `LogStartLine` begins a node, one `Log...Result` ends it,
`SkippingDetails` says that it never began. What went wrong comes at the very end in `RunResultError`, for a node that
has failed already: it is told as an explanation and never as a second failure. Events for nodes that dbt only looked
at (`NodeStart`) are at the debug level and not read: they come for skipped nodes too.

A forked dbt adds `FloeNodeColumns` (see `node_columns.py`) before the result of each node that it has executed; a plain
dbt does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

_RESULTS: Final = frozenset(
    {"LogFunctionResult", "LogModelResult", "LogNodeResult", "LogSeedResult", "LogSnapshotResult", "LogTestResult"}
)
_SKIPS: Final = frozenset({"LogSkipBecauseError", "SkippingDetails"})
_EXPLANATIONS: Final = frozenset({"RunResultError", "RunResultWarningMessage"})
_DETAILS: Final = "FloeNodeColumns"
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_ROWS: Final = re.compile(r"(?:INSERT|SELECT|MERGE|UPDATE|DELETE)(?: 0)? (\d+)", re.IGNORECASE)


class NodeStatus(StrEnum):
    """How a node ended."""

    SUCCESS = "success"
    WARNED = "warned"
    FAILED = "failed"
    SKIPPED = "skipped"


_STATUS: Final = {
    "success": NodeStatus.SUCCESS,
    "pass": NodeStatus.SUCCESS,
    "ok": NodeStatus.SUCCESS,
    "warn": NodeStatus.WARNED,
    "skipped": NodeStatus.SKIPPED,
    "skip": NodeStatus.SKIPPED,
}
"""Everything else (`error`, `fail`, `runtime error`, `partial success`) has failed."""


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """dbt began to work on a node.

    Attributes:
        unique_id: the node.
        resource_type: model, seed, snapshot, test, unit_test, ...
        relation_name: what it writes, quoted as the warehouse wants it; None for tests.
        at: when, in UTC.
    """

    unique_id: str
    resource_type: str
    relation_name: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class NodeFinished:
    """dbt is done with a node.

    Attributes:
        unique_id: the node.
        resource_type: model, seed, snapshot, test, unit_test, ...
        materialized: table, view, incremental, ...; empty where dbt does not say it.
        relation_name: what it wrote; None for tests.
        at: when, in UTC.
        status: how it ended.
        message: dbt's line about it; why it failed comes later, in `NodeExplained`.
        seconds: how long it took.
        rows_affected: where the warehouse told.
        failures: rows that a test found; None for everything else.
    """

    unique_id: str
    resource_type: str
    relation_name: str | None
    at: datetime
    materialized: str
    status: NodeStatus
    message: str
    seconds: float
    rows_affected: int | None
    failures: int | None


@dataclass(frozen=True, slots=True)
class NodeSkipped:
    """dbt left a node out because one before it failed. It never began."""

    unique_id: str
    resource_type: str
    relation_name: str | None
    at: datetime
    message: str


@dataclass(frozen=True, slots=True)
class NodeExplained:
    """Why a node that has finished already failed or warned: the error of the warehouse or of the test."""

    unique_id: str
    text: str


@dataclass(frozen=True, slots=True)
class NodeDetailed:
    """What a forked dbt tells of a node just before its end.

    Attributes:
        unique_id: the node.
        columns: name and type of each column of what it built, in order; empty where they are not known.
        rows: rows of the table that it built, where they are known.
        compiled_code: what was executed.
        query: the id by which the warehouse knows that, where it has one.
        message: the error of a node that failed.
    """

    unique_id: str
    columns: tuple[tuple[str, str], ...]
    rows: int | None
    compiled_code: str | None
    query: str | None
    message: str | None


NodeEvent = NodeStarted | NodeFinished | NodeSkipped | NodeExplained | NodeDetailed


def node_event(raw: Mapping[str, Any]) -> NodeEvent | None:
    """What one structured log line, with its `info` and `data`, says about a node; None when it says nothing."""
    info, data = raw["info"], raw["data"]
    node = data.get("node_info") or {}
    name, unique_id = info["name"], node.get("unique_id")
    if not unique_id:
        return None
    if name in _EXPLANATIONS:
        return NodeExplained(unique_id, _clean(data.get("msg") or info["msg"]))
    if name == _DETAILS:
        return _detailed(unique_id, data)
    common = {
        "unique_id": unique_id,
        "resource_type": node.get("resource_type") or unique_id.split(".")[0],
        "relation_name": (node.get("node_relation") or {}).get("relation_name") or None,
    }
    if name == "LogStartLine":
        return NodeStarted(**common, at=_time(node.get("node_started_at"), info))
    if name in _SKIPS:
        return NodeSkipped(**common, at=_time(None, info), message=_clean(info["msg"]))
    if name in _RESULTS:
        return NodeFinished(**common, at=_time(node.get("node_finished_at"), info), **_result(info, data, node))
    return None


def _detailed(unique_id: str, data: Mapping[str, Any]) -> NodeDetailed:
    message = data.get("message")
    return NodeDetailed(
        unique_id,
        columns=tuple((str(column["name"]), str(column["type"])) for column in data.get("columns", ())),
        rows=data.get("rows"),
        compiled_code=data.get("compiled_code"),
        query=data.get("query"),
        message=_clean(message) if message else None,
    )


def _result(info: Mapping[str, Any], data: Mapping[str, Any], node: Mapping[str, Any]) -> dict[str, Any]:
    status = node.get("node_status")
    if status in (None, "", "None"):  # unit tests say it in their data only
        status = data.get("status", "")
    told = str(data.get("result_message") or data.get("status") or "")
    rows = _ROWS.fullmatch(told.strip())
    return {
        "materialized": node.get("materialized") or "",
        "status": _STATUS.get(str(status).lower(), NodeStatus.FAILED),
        "message": _clean(info["msg"]),
        "seconds": round(float(data.get("execution_time", 0.0)), 3),
        "rows_affected": int(rows[1]) if rows else None,
        "failures": int(data["num_failures"]) if "num_failures" in data else None,
    }


def _time(told: str | None, info: Mapping[str, Any]) -> datetime:
    """The node's own time where dbt gives it (UTC, without saying so), else that of the log line."""
    time = datetime.fromisoformat(told or info["ts"])
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _clean(message: str) -> str:
    lines = _COLOUR.sub("", message).strip().splitlines()
    return "\n".join(line.rstrip() for line in lines)
