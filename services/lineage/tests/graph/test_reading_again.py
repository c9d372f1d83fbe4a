"""What holds while the graph is read again from its records."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from opentelemetry.sdk.metrics import MeterProvider

from floe_contracts.lineage_requests import READ_GRAPH, ReadGraph
from floe_lineage.adapters.column_reader import ColumnReader
from floe_lineage.adapters.graph_buckets import GraphBuckets, StoredRecord
from floe_lineage.graph.graph_metrics import GraphMetrics
from floe_lineage.graph.projector import Projector

from .graph_events import Stack, run, table

pytestmark = pytest.mark.bus


async def test_the_graph_is_in_memory_once_also_while_it_is_read_again(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stack.running():
        await stack.publish(*(run(f"j{n}", reads=[table("hub")], writes=[table(f"t{n}")]) for n in range(20)))
        await stack.settled()
    columns = ColumnReader()
    projector = Projector(stack.bus, columns, lambda: datetime.now(UTC), GraphMetrics(MeterProvider()))
    try:
        await projector._load()
        assert projector.knowledge is not None
        old, frozen = weakref.ref(projector.knowledge["default"]), gc.get_freeze_count()
        gone: list[bool] = []
        load = GraphBuckets.load

        async def watched(buckets: GraphBuckets) -> AsyncIterator[StoredRecord]:
            gone.append(old() is None)
            async for record in load(buckets):
                yield record

        monkeypatch.setattr(GraphBuckets, "load", watched)
        await projector._load()
        assert gone == [True]
        # What is kept from the collector for good is what the first load brought, and none of what came since.
        assert gc.get_freeze_count() <= frozen
    finally:
        await columns.close()
        gc.unfreeze()


async def test_questions_wait_while_the_graph_is_read_again(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, goes_on = asyncio.Event(), asyncio.Event()
    load = GraphBuckets.load

    async def held(buckets: GraphBuckets) -> AsyncIterator[StoredRecord]:
        reading.set()
        await goes_on.wait()
        async for record in load(buckets):
            yield record

    async with stack.running():
        await stack.publish(run("j", reads=[table("a")], writes=[table("b")]))
        await stack.settled()
        other = GraphBuckets(stack.bus)
        states = [record.read() async for record in other.load()]
        await other.write(states)  # a second writer: the service reads all again
        monkeypatch.setattr(GraphBuckets, "load", held)
        await stack.publish(run("j", number=2, reads=[table("c")], writes=[table("b")], at="2026-01-02T00:00:00Z"))
        await asyncio.wait_for(reading.wait(), 60)
        question = asyncio.create_task(stack.ask(READ_GRAPH, ReadGraph(dataset="b")))
        done, _ = await asyncio.wait({question}, timeout=0.3)
        assert not done
        goes_on.set()
        assert "b" in [node.name for node in (await question).nodes]
