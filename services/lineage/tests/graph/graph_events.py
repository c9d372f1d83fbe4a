"""Events about small graphs, and what the graph makes of them: in memory, or in the service on a real bus."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from floe_chassis.bus import Bus
from floe_chassis.requests import ask
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import all_handled, eventually
from floe_chassis.topology import LINEAGE, LINEAGE_GRAPH
from floe_contracts.lineage_requests import ReadColumn, ReadGraph, ReadImpact
from floe_contracts.openlineage import dataset_facets as facets
from floe_contracts.openlineage.envelope import message_headers, message_subject, read_envelope
from floe_contracts.openlineage.naming import Place
from floe_contracts.plugins.lineage_backends import LineageEvent, Position
from floe_lineage.app import create_app
from floe_lineage.core.graph.columns_read import read_column
from floe_lineage.core.graph.folding import Batch, fold
from floe_lineage.core.graph.impact import read_impact
from floe_lineage.core.graph.knowledge import Knowledge
from floe_lineage.core.graph.walking import Seen, read_graph

ORDERS = Place("default", "dev", "orders")
WAREHOUSE = "duckdb://default.dev.orders"
STORED = 1_800_000_000_000_000
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs"
Event = dict[str, Any]


def table(
    name: str,
    *columns: str,
    namespace: str = WAREHOUSE,
    said: dict[str, str] | None = None,
    made_of: dict[str, Sequence[tuple[str, ...]]] | None = None,
    whole: Sequence[tuple[str, ...]] = (),
    **described: Any,
) -> Event:
    """A dataset; `made_of`: column -> (table, column[, subtype[, masked]]), `said`: column -> classification."""
    found: Event = dict(described)
    if columns:
        found["schema"] = facets.schema([(column, "VARCHAR", "") for column in columns])
    if said is not None:
        told = {column: {"classification": what, "sensitivity": "high"} for column, what in said.items()}
        found["floe_classification"] = {"columns": told}
    if made_of is not None or whole:
        sources = {column: [_source(each, "DIRECT") for each in found] for column, found in (made_of or {}).items()}
        found["columnLineage"] = facets.column_lineage(sources, [_source(each, "INDIRECT") for each in whole])
    return {"namespace": namespace, "name": name, "facets": found}


def _source(source: tuple[str, ...], kind: Any) -> Event:
    name, column, subtype, masked = (*source, "IDENTITY", "")[:4] if len(source) == 2 else (*source, "")[:4]
    how = facets.transformation(kind, subtype, masking=bool(masked))
    return facets.input_field((WAREHOUSE, name), column, how)


def run(
    job: str,
    kind: str = "COMPLETE",
    *,
    reads: Iterable[Event] = (),
    writes: Iterable[Event] = (),
    number: int = 1,
    at: str = "2026-01-01T00:00:00Z",
    namespace: str = "floe://default/dev",
    **described: Any,
) -> Event:
    """An event of a job's run; the same `number`, the same run."""
    return {
        "eventType": kind,
        "eventTime": at,
        "producer": "https://floe.dev/executor",
        "schemaURL": f"{SCHEMA}/RunEvent",
        "run": {"runId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{job}/{number}")), "facets": {}},
        "job": {"namespace": namespace, "name": job, "facets": described},
        "inputs": list(reads),
        "outputs": list(writes),
    }


def sql(query: str) -> Event:
    return {"query": query, "dialect": "duckdb"}


@dataclass
class Memory:
    """What the graph knows after events that were stored one after the other."""

    known: dict[str, Knowledge] = field(default_factory=dict)
    sequence: int = 0

    def stored(self, *events: Event, place: Place = ORDERS) -> list[LineageEvent]:
        found = []
        for event in events:
            self.sequence += 1
            envelope = read_envelope(event)
            position = Position(self.sequence, STORED + self.sequence)
            subject = message_subject(envelope, place)
            found.append(LineageEvent(json.dumps(event).encode(), str(self.sequence), position, subject))
        return found

    def take(self, events: Iterable[LineageEvent]) -> Batch:
        batch = Batch()
        fold(batch, {tenant: known.graph for tenant, known in self.known.items()}, events)
        for state in (*batch.datasets.values(), *batch.jobs.values()):
            self.known.setdefault(state.tenant, Knowledge()).take([state])
        return batch

    def hear(self, *events: Event, place: Place = ORDERS) -> Batch:
        return self.take(self.stored(*events, place=place))

    def seen(self, environment: str = "dev", tenant: str = "default") -> Seen:
        known = self.known[tenant]
        return Seen(known.graph, known.derivations, environment)

    def graph(self, environment: str = "dev", **asked: Any) -> list[tuple[int, str]]:
        """Distance and name of each node."""
        answer = read_graph(self.seen(environment), ReadGraph(**asked))
        return [(node.distance, node.name) for node in answer.nodes]

    def impact(self, dataset: str, column: str | None = None) -> dict[str, tuple[tuple[str, ...], bool, bool]]:
        """Name -> columns, indirect, certain."""
        answer = read_impact(self.seen(), ReadImpact(dataset=dataset, field=column))
        return {each.node.name: (each.columns, each.indirect, each.certain) for each in answer.entries}

    def derived(self, dataset: str, column: str, environment: str = "dev") -> dict[str, tuple[list[str], bool]]:
        """Classification -> path as `table.column`, masked."""
        answer = read_column(self.seen(environment), ReadColumn(dataset=dataset, field=column))
        return {
            each.classification: ([f"{step.dataset}.{step.field}" for step in each.path], each.masked)
            for each in answer.derived
        }


@dataclass
class Stack:
    """A lineage service on a bus."""

    bus: Bus
    settings: ChassisSettings
    environment: dict[str, str]
    numbers: Any = field(default_factory=itertools.count)

    async def publish(self, *events: Event | bytes, place: Place = ORDERS) -> None:
        for event in events:
            number = next(self.numbers)
            if isinstance(event, bytes):
                await self.bus.publish_raw("floe.v1.lineage.default.dev.orders.x.other", event, {}, f"rubbish-{number}")
                continue
            envelope = read_envelope(event)
            body = json.dumps(event).encode()
            await self.bus.publish_raw(message_subject(envelope, place), body, message_headers(envelope), str(number))

    async def settled(self) -> None:
        """Wait until the graph has read everything, its own findings among it."""
        last = -1
        while True:
            await eventually(lambda: all_handled(self.bus, LINEAGE, LINEAGE_GRAPH), timeout=120)
            stored = (await self.bus.js.consumer_info(LINEAGE, LINEAGE_GRAPH)).ack_floor.stream_seq
            if stored == last:
                return
            last = stored

    async def ask(self, operation: Any, request: Any, *, tenant: str = "default", environment: str = "dev") -> Any:
        return await ask(self.bus, operation, request, tenant=tenant, environment=environment)

    async def told(self) -> list[Event]:
        """The findings on the stream."""
        found = [
            json.loads(each.data) async for each in read_stream(self.bus.js, LINEAGE, "floe.v1.lineage.*.*.*.*.job")
        ]
        return [event for event in found if event["producer"] == "https://floe.dev/lineage"]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Service]:
        service = create_app(self.environment)
        await service.start()
        try:
            yield service
        finally:
            await service.stop()
