"""dbt's log lines as reports: what a forked dbt adds to them, and what is left where a plain one does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from floe_executor.adapters.building.dbt_reports import ReportReader
from floe_executor.core.node_reports import NodeDone, NodeStatus

NODE = "model.shop.orders"


def line(name: str, data: dict[str, Any], **node: Any) -> dict[str, Any]:
    about = {"unique_id": NODE, "resource_type": "model", "node_finished_at": "2026-11-20T09:30:00"} | node
    info = {"name": name, "msg": "1 of 1 ERROR creating model", "ts": "2026-11-20T09:30:00Z"}
    return {"info": info, "data": {"node_info": about} | data}


def result(status: str = "success", told: str = "OK", materialized: str = "table") -> dict[str, Any]:
    data = {"status": told, "execution_time": 0.5}
    return line("LogModelResult", data, node_status=status, materialized=materialized)


@pytest.fixture
def reader(tmp_path: Path) -> ReportReader:
    return ReportReader("dbt", tmp_path)


def read(reader: ReportReader, *lines: dict[str, Any]) -> NodeDone:
    done = [report for report in map(reader.read, lines) if isinstance(report, NodeDone)]
    assert len(done) == 1
    return done[0]


def test_what_was_told_before_the_end_belongs_to_the_end(reader: ReportReader) -> None:
    details = {"columns": [{"name": "id", "type": "BIGINT"}], "rows": 3, "compiled_code": "select 1", "query": "01b2"}
    done = read(reader, line("FloeNodeColumns", details), result())
    assert (done.columns, done.rows) == ((("id", "BIGINT"),), 3)
    assert (done.compiled_code, done.query) == ("select 1", "01b2")
    assert done.message is None
    again = read(reader, result())  # the node once more, in another part of the build
    assert (again.columns, again.rows) == ((), None)


def test_a_failure_has_its_own_error_at_once(reader: ReportReader) -> None:
    done = read(reader, line("FloeNodeColumns", {"message": "Binder Error"}), result("error"))
    assert (done.status, done.message) == (NodeStatus.FAILED, "Binder Error")
    assert [failed.message for failed in reader.failed()] == ["Binder Error"]


def test_a_plain_dbt_has_only_its_line(reader: ReportReader) -> None:
    done = read(reader, result("error"))
    assert (done.columns, done.message) == ((), "1 of 1 ERROR creating model")


@pytest.mark.parametrize(
    ("told", "materialized", "rows"),
    [
        ("SELECT 12", "table", 12),
        ("INSERT 0 7", "seed", 7),
        ("INSERT 0 2", "incremental", None),  # of this build, not of the table
        ("OK", "table", None),
    ],
)
def test_rows_that_the_warehouse_counted(reader: ReportReader, told: str, materialized: str, rows: int | None) -> None:
    assert read(reader, result(told=told, materialized=materialized)).rows == rows
