"""Catalog, semantic and lineage are killed while events wait for them."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from floe_chassis import topology
from floe_chassis.bus import Bus
from floe_contracts import subjects
from floe_contracts.events import RunCompleted
from floe_contracts.subjects import EventKind

from .conftest import Publish, Recovery
from .facts import Facts, listening, until
from .processes import Stack


async def test_readers_killed_while_events_wait(
    stack: Stack, bus: Bus, facts: Facts, compiled: Publish, recovery: Recovery
) -> None:
    product = "readers-killed"
    stack.kill("catalog", "semantic", "lineage")
    digest = await compiled(product)
    run = await facts.request(product, digest, f"{product}:1")
    await facts.settled(product, run)
    async with listening(bus, subjects.pattern(EventKind.TABLE_COMMITTED, product=product)) as heard:
        recovery()
        stack.start("catalog", "semantic", "lineage")
        await heard(lambda _: True)
        stack.kill("catalog")
        stack.start("catalog")
    await facts.quiet()
    await _assert_tables_told_once(facts, product, run)
    await _assert_rendered_once(facts, product)
    await until(lambda: _lineage_forwarded(facts, Path(stack.environment["FLOE_LINEAGE_FILE"])))


async def _assert_tables_told_once(facts: Facts, product: str, run: str) -> None:
    outcome = await facts.outcome(product, run)
    assert isinstance(outcome, RunCompleted)
    told = await facts.events(EventKind.TABLE_COMMITTED, product)
    landed = Counter((table.identifier, table.snapshot_id) for table in outcome.tables)
    assert Counter((event.data["identifier"], event.data["snapshot_id"]) for event in told) == landed


async def _assert_rendered_once(facts: Facts, product: str) -> None:
    (artifact,) = await facts.events(EventKind.ARTIFACT_COMPILED, product)

    async def rendered() -> list[str]:
        return [event.headers["ce-causeid"] for event in await facts.events(EventKind.SEMANTIC_RENDERED, product)]

    assert await until(rendered) == [artifact.headers["ce-id"]]


async def _lineage_forwarded(facts: Facts, file: Path) -> bool:
    stored = await facts.stored(topology.LINEAGE, subjects.lineage_pattern())
    forwarded = await asyncio.to_thread(file.read_bytes)
    assert forwarded.splitlines() == [message.body for message in stored]
    return True
