"""What is true of a bus and a lakehouse after a fault: read from where it is stored, not from what a service says."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from nats.errors import Error as NatsError
from nats.js.errors import KeyNotFoundError

from floe_chassis import topology
from floe_chassis.bus import Bus
from floe_chassis.key_values import keys_below
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import all_handled
from floe_contracts import subjects
from floe_contracts.errors import Unreachable
from floe_contracts.events import RunCompleted, RunFailed, RunRequested
from floe_contracts.openlineage.envelope import RUN_HEADER
from floe_contracts.openlineage.naming import Place, run_id
from floe_contracts.runs import RunRecord, run_key
from floe_contracts.subjects import EventKind
from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.snapshots import RUN_ID

TENANT: Final = "default"
ENVIRONMENT: Final = "dev"
RUN_SECONDS: Final = 180.0
"""Longer than any run takes, with a worker that has to be started, on a busy machine."""
_LOOK_AGAIN: Final = 0.1
"""Seconds; asking a stream costs the bus a consumer each time."""
_CONSUMERS: Final = (
    (topology.SPECS, topology.COMPILER),
    (topology.RUNS, topology.EXECUTOR),
    (topology.ARTIFACTS, topology.CATALOG),
    (topology.ARTIFACTS, topology.SEMANTIC),
    (topology.EVENTS, topology.CATALOG_RUNS),
    (topology.LINEAGE, topology.lineage_consumer("file")),
)
T = TypeVar("T")
Until = Callable[[Callable[[dict[str, Any]], bool]], Awaitable[dict[str, Any]]]
_CLOSING: Final = frozenset({"COMPLETE", "FAIL", "ABORT"})


@dataclass(frozen=True, slots=True)
class Stored:
    """A message of a stream."""

    subject: str
    sequence: int
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> dict[str, Any]:
        """The body as JSON."""
        document: dict[str, Any] = json.loads(self.body)
        return document


@dataclass(frozen=True, slots=True)
class Facts:
    """Reads one stack.

    Attributes:
        bus: a connection of the test's own.
        catalog: properties of the Iceberg catalog.
    """

    bus: Bus
    catalog: dict[str, str]

    async def stored(self, stream: str, pattern: str) -> list[Stored]:
        """What is on a stream now."""
        return [
            Stored(message.subject, message.metadata.sequence.stream, message.headers or {}, message.data)
            async for message in read_stream(self.bus.js, stream, pattern)
        ]

    async def events(self, kind: EventKind, product: str, run: str | None = None) -> list[Stored]:
        """The events of a kind that speak of a product, or of one run of it, in their order."""
        stream = {"spec": topology.SPECS, "artifacts": topology.ARTIFACTS}.get(kind.split(".")[0], topology.EVENTS)
        found = await self.stored(stream, subjects.pattern(kind, product=product))
        return [event for event in found if run is None or event.data["run_id"] == run]

    async def request(self, product: str, digest: str, cause: str, environment: str = ENVIRONMENT) -> str:
        """Ask for a run; its id."""
        request = RunRequested(
            tenant=TENANT,
            environment=environment,
            product=product,
            artifact_digest=digest,
            requester="faults",
            reason="a test",
        )
        await self.bus.publish(request, id=cause)
        return run_id(Place(TENANT, environment, product), cause)

    async def record(self, product: str, run: str, environment: str = ENVIRONMENT) -> RunRecord | None:
        """The state of a run, if there is one."""
        bucket = await self.bus.key_value(topology.RUNS_BUCKET)
        try:
            entry = await bucket.get(run_key(Place(TENANT, environment, product), run))
        except KeyNotFoundError:
            return None
        return RunRecord.read(json.loads(entry.value or b""))

    async def settled(self, product: str, run: str, environment: str = ENVIRONMENT) -> RunRecord:
        """The state of a run once it has ended and its end is told."""
        marker = "pending." + run_key(Place(TENANT, environment, product), run)

        async def ended() -> RunRecord | None:
            record = await self.record(product, run, environment)
            if record is None or not record.status.terminal:
                return None
            return record if marker not in await self.pending() else None

        record = await until(ended)
        assert record is not None
        return record

    async def pending(self) -> list[str]:
        """The markers of runs that have not ended."""
        return await keys_below(await self.bus.key_value(topology.RUNS_BUCKET), "pending.>")

    async def outcome(self, product: str, run: str) -> RunCompleted | RunFailed:
        """The one terminal event of a run."""
        found = [
            model.read(event.data)
            for model in (RunCompleted, RunFailed)
            for event in await self.events(model.kind, product, run)
        ]
        assert len(found) == 1, f"{len(found)} terminal events"
        return found[0]

    async def lineage(self, product: str, run: str) -> list[dict[str, Any]]:
        """The OpenLineage events of a run, of all its attempts."""
        stored = await self.stored(topology.LINEAGE, subjects.lineage_pattern(product=product))
        return [message.data for message in stored if message.headers.get(RUN_HEADER) == run]

    def landed(self, product: str, run: str) -> Counter[str]:
        """How many snapshots of the run each table of the product has."""
        catalog = open_catalog(self.catalog)
        found: Counter[str] = Counter()
        for namespace in catalog.list_namespaces((TENANT, ENVIRONMENT, product)):
            for identifier in catalog.list_tables(namespace):
                snapshots = catalog.load_table(identifier).metadata.snapshots
                summaries = [snapshot.summary for snapshot in snapshots if snapshot.summary]
                found[identifier[-1]] = sum(summary.additional_properties.get(RUN_ID) == run for summary in summaries)
        return found

    async def quiet(self) -> None:
        """Wait until no consumer has anything left, and no run waits."""

        async def nothing_left() -> bool:
            for stream, consumer in _CONSUMERS:
                assert await all_handled(self.bus, stream, consumer), consumer
            return not await self.pending()

        await until(nothing_left)

    async def assert_ended_once(self, product: str, run: str, tables: frozenset[str]) -> RunCompleted:
        """The run is completed, and nothing of it happened twice or was left open."""
        record = await self.settled(product, run)
        outcome = await self.outcome(product, run)
        assert isinstance(outcome, RunCompleted), outcome
        assert (record.status.value, record.attempt) == ("completed", outcome.attempt)
        assert self.landed(product, run) == Counter(tables)
        assert {table.identifier.rsplit(".", 1)[-1] for table in outcome.tables} == tables
        await self.assert_lineage_closed(product, run)
        assert outcome.lineage_events == len(await self.lineage(product, run))
        await self.quiet()
        return outcome

    async def assert_lineage_closed(self, product: str, run: str) -> None:
        """Every START is closed once, nothing is closed that was not begun, and the run itself has one of each."""
        balance: dict[str, list[str]] = {}
        for event in await self.lineage(product, run):
            balance.setdefault(f"{event['job']['name']} {event['run']['runId']}", []).append(event["eventType"])
        for job, types in balance.items():
            assert types[0] == "START", (job, types)
            assert len(types) == 2, (job, types)
            assert types[1] in _CLOSING, (job, types)
        assert f"{product} {run}" in balance


@asynccontextmanager
async def listening(bus: Bus, pattern: str) -> AsyncIterator[Until]:
    """Listen to a subject from now on.

    Yields:
        A function that waits for a message whose JSON fits; it returns within a millisecond of the message.
    """
    subscription = await bus.nc.subscribe(pattern)
    await bus.nc.flush()

    async def until(fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(RUN_SECONDS):
            while True:
                message = await subscription.next_msg(timeout=RUN_SECONDS)
                document: dict[str, Any] = json.loads(message.data or b"{}")
                if fits(document):
                    return document

    yield until
    await subscription.unsubscribe()


async def until(ask: Callable[[], Awaitable[T]], timeout: float = RUN_SECONDS) -> T:  # noqa: ASYNC109
    """Wait until `ask` returns something true; an AssertionError is a no, and so is a bus that is away meanwhile."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            if answer := await ask():
                return answer
            why = f"{answer!r}"
        except (AssertionError, NatsError, OSError, Unreachable) as error:
            why = str(error)
        assert time.monotonic() < deadline, f"not within {timeout} s: {why}"
        await asyncio.sleep(_LOOK_AGAIN)
