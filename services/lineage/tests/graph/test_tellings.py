"""What is told, and what cannot be."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import structlog
from opentelemetry.sdk.metrics import MeterProvider

from floe_contracts.lineage_states import ColumnSource, JobState, OutputColumns, Told
from floe_lineage.core.graph.knowledge import Knowledge
from floe_lineage.graph.graph_metrics import GraphMetrics
from floe_lineage.graph.tellings import Tellings

from .graph_events import WAREHOUSE, Memory, Stack, run, table

pytestmark = pytest.mark.bus


def wide_job(memory: Memory, told: Told | None) -> JobState:
    memory.hear(run("wide", reads=[table("raw")], writes=[table("t")]))
    (job,) = memory.known["default"].graph.jobs.values()
    made_of = {
        f"column {number}": (ColumnSource(namespace=WAREHOUSE, dataset="raw", field="x" * 500),)
        for number in range(2500)
    }
    columns = OutputColumns(namespace=WAREHOUSE, name="t", told_by="sql", columns=made_of)
    return job.model_copy(update={"columns": (columns,), "told": told})


@pytest.mark.parametrize("told", [None, Told(digest="before", sequence=7)], ids=["nothing told", "told before"])
async def test_a_finding_that_is_too_large_is_tried_once(memory: Memory, stack: Stack, told: Told | None) -> None:
    known = Knowledge()
    job = wide_job(memory, told)
    known.take([job])
    tellings = Tellings(stack.bus, lambda: datetime.now(UTC), GraphMetrics(MeterProvider()))
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            await tellings.tell({"default": known}, [("default", job.id)])
    assert [line["event"] for line in logs] == ["graph.untold"]
    assert await stack.told() == []
