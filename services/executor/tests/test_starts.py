"""What starts runs by itself, on a real bus: what goes in are the events of others, what comes out are run requests."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from floe_chassis import run_telemetry_names as names
from floe_chassis.blobs import BlobStore
from floe_chassis.bus import Bus
from floe_chassis.dead_letters import read_dead_letter
from floe_chassis.nats_server import NatsServer
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import all_handled, eventually
from floe_chassis.topology import (
    ARTIFACTS,
    DLQ,
    EXECUTOR_ARTIFACTS,
    EXECUTOR_UPSTREAMS,
    LIVE_PRODUCTS_BUCKET,
    RUNS,
    declared,
)
from floe_chassis.topology_apply import apply
from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.cloudevents import Attributes, Received, decode
from floe_contracts.compiled_product import CompiledOrchestration, CompiledPartitions, CompiledSchedule, CompiledTrigger
from floe_contracts.digests import digest_of
from floe_contracts.events import (
    ArtifactCompiled,
    ArtifactRetired,
    RunCompleted,
    RunOptions,
    RunRequested,
    RunSeconds,
    SourceReference,
    TableCommitted,
)
from floe_contracts.live_products import LiveProduct
from floe_contracts.openlineage.naming import Place, run_id
from floe_contracts.run_requests import compiled_run_request_id
from floe_contracts.runs import RunRecord, RunStatus, place_key
from floe_executor.adapters.state.live_products import LiveProducts
from floe_executor.adapters.state.run_store import RunStore
from floe_executor.errors import LiveProductChanged
from floe_executor.starts.measures import StartMeasures
from floe_executor.starts.scheduler import Scheduler
from floe_executor.starts.upstreams import UpstreamHandlers
from floe_executor.starts.wiring import subscribe

pytestmark = pytest.mark.bus

ON_COMPILE = CompiledTrigger(type="compile")
DAILY = CompiledSchedule(cron="0 6 * * *", timezone="UTC", enabled=True)
MAIN = SourceReference(repository="git.example.com/shop", ref="refs/heads/main", commit="c1")
PROBE = "zzz-probe"
"""Its key is the last one: when it has ticked, all others were looked at."""
Change = dict[str, Any]


@dataclass(slots=True)
class Clock:
    """A clock that stands still until it is set."""

    time: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.time


class Starts:
    """Executors that only start runs, and what they work on."""

    def __init__(self, bus: Bus, blobs: BlobStore, store: RunStore, artifact: CompiledArtifacts) -> None:
        self.bus = bus
        self.blobs = blobs
        self.store = store
        self.artifact = artifact
        self.products = LiveProducts(lambda: bus.key_value(LIVE_PRODUCTS_BUCKET))
        self.clock = Clock()
        self.services: list[Service] = []
        self.numbers = itertools.count()
        self.retired: list[Place] = []

    async def _retired(self, place: Place) -> None:
        self.retired.append(place)

    async def executor(self, clock: Clock | None = None) -> Service:
        service = Service("executor", self.bus.settings)
        subscribe(
            service,
            blobs=self.blobs,
            live_products=LiveProducts(lambda: service.bus.key_value(LIVE_PRODUCTS_BUCKET)),
            store=RunStore(lambda: service.bus.key_value("floe_runs")),
            retired=self._retired,
            clock=clock or self.clock,
        )
        self.services.append(service)
        await service.start()
        return service

    async def compile(
        self, product: str = "shop", source: SourceReference | None = None, submission: str = "s1", **changes: Any
    ) -> ArtifactCompiled:
        """Announce an artifact of a product, with `changes` to the usual one; its event id is `<submission>`."""
        identity = self.artifact.product.model_copy(update={"name": product, "version": submission})
        made = self.artifact.model_copy(update={"product": identity, **changes})
        event = ArtifactCompiled(
            tenant="default",
            product=product,
            submission=submission,
            artifact_digest=await self.blobs.put(made.to_bytes()),
            artifact=made.to_document(),
            source=source,
            seconds=0.1,
        )
        await self.bus.publish(event, id=f"{product}:{submission}")
        return event

    async def retire(self, product: str = "shop", cause: str = "gone") -> None:
        event = ArtifactRetired(tenant="default", product=product, submission="0", reason="removed")
        await self.bus.publish(event, id=f"{product}:{cause}")

    async def complete(self, product: str, cause: str = "1", **record: Any) -> RunCompleted:
        """End a run of a product well, as its worker does."""
        place = Place("default", "dev", product)
        live = await self.products.record(place)
        digest = live.artifact_digest if live else digest_of(b"artifact")
        where = {"tenant": "default", "environment": "dev", "product": product}
        run = RunRecord(
            **where,
            run_id=run_id(place, cause),
            artifact_digest=digest,
            status=RunStatus.COMPLETED,
            cause=cause,
            requested_at=datetime.now(UTC).isoformat(),
            **record,
        )
        await self.store.add(run)
        event = RunCompleted(
            **where,
            run_id=run.run_id,
            artifact_digest=digest,
            partition=run.options.partition,
            attempt=1,
            nodes=(),
            tables=(),
            lineage_events=0,
            seconds=RunSeconds(run=1, land=1),
        )
        await self.bus.publish(event, id=f"{run.run_id}:completed")
        return event

    async def requests(self) -> list[Received[RunRequested]]:
        found = []
        async for message in read_stream(self.bus.js, RUNS, "floe.v1.run.requested.>"):
            received = decode(message.subject, message.headers, message.data)
            assert isinstance(received.event, RunRequested)
            if not received.event.product.startswith(PROBE):
                found.append(Received(received.event, received.attributes))
        return found

    async def looked(self) -> None:
        """Wait until a scheduler has looked at everything, at the time that its clock shows."""
        name = f"{PROBE}{next(self.numbers)}"
        since = self.clock.time - timedelta(days=2)
        probe = LiveProduct(
            tenant="default",
            environment="dev",
            product=name,
            artifact_digest=digest_of(b"probe"),
            sequence=1,
            since=since.isoformat(),
            schedule=DAILY,
        )
        await self.products.change(probe.place, lambda _: probe)
        await self.compile(f"waker{next(self.numbers)}")

        async def asked() -> bool:
            return bool((await self.products.record(probe.place)).last_tick)  # type: ignore[union-attr]

        await eventually(asked)

    async def requested(self, count: int) -> list[Received[RunRequested]]:
        """The requests once there are so many."""

        async def enough() -> list[Received[RunRequested]]:
            found = await self.requests()
            return found if len(found) >= count else []

        found = await eventually(enough, timeout=30)
        assert len(found) == count
        return found

    async def handled(self, stream: str = ARTIFACTS, consumer: str = EXECUTOR_ARTIFACTS) -> None:
        """Wait until every event of a consumer is handled."""
        await eventually(lambda: all_handled(self.bus, stream, consumer))

    async def upstreams_handled(self) -> None:
        await self.handled("FLOE_EVENTS", EXECUTOR_UPSTREAMS)

    async def live(self, product: str = "shop", environment: str = "dev") -> LiveProduct | None:
        return await self.products.find(Place("default", environment, product))

    async def until_live(self, event: ArtifactCompiled, environment: str = "dev") -> LiveProduct:
        async def there() -> LiveProduct | None:
            found = await self.live(event.product, environment)
            return found if found and found.artifact_digest == event.artifact_digest else None

        found = await eventually(there)
        assert found is not None
        return found

    def environments(self, **refs: str) -> Change:
        """Environments by name, each with its only ref."""
        one = self.artifact.environments["dev"]
        return {"environments": {name: one.model_copy(update={"refs": (ref,)}) for name, ref in refs.items()}}


@pytest.fixture
async def starts(bus: Bus, blobs: BlobStore, store: RunStore, artifact: CompiledArtifacts) -> AsyncIterator[Starts]:
    made = Starts(bus, blobs, store, artifact)
    yield made
    for service in made.services:
        await service.stop(grace=3.0)


def ids(requests: list[Received[RunRequested]]) -> list[str]:
    return [request.attributes.id for request in requests]


# ---- what is live


async def test_an_artifact_is_live_where_its_ref_says(starts: Starts) -> None:
    await starts.executor()
    three = starts.environments(dev="feature/*", prod="main", staging="main")
    event = await starts.compile(source=MAIN, schedule=DAILY, **three)
    live = await starts.until_live(event, "staging")
    assert live == (await starts.live(environment="prod")).model_copy(update={"environment": "staging"})  # type: ignore[union-attr]
    assert (live.source, live.schedule, live.sequence) == (MAIN, DAILY, 1)
    assert await starts.live(environment="dev") is None
    topic = MAIN.model_copy(update={"ref": "refs/heads/feature/new"})
    await starts.until_live(await starts.compile(source=topic, submission="s2", **three), "dev")
    assert await starts.live(environment="prod") == live.model_copy(update={"environment": "prod"})


async def test_an_artifact_without_a_ref_is_live_in_all_its_environments(starts: Starts) -> None:
    await starts.executor()
    event = await starts.compile(**starts.environments(dev="feature/*", prod="main"))
    await starts.until_live(event, "dev")
    await starts.until_live(event, "prod")


async def test_an_older_event_changes_nothing(starts: Starts) -> None:
    await starts.executor()
    live = await starts.until_live(await starts.compile())
    newer = live.model_copy(update={"sequence": 9, "artifact_digest": digest_of(b"newer")})
    await starts.products.change(live.place, lambda _: newer)
    await starts.compile(submission="s2", triggers=(ON_COMPILE,))
    await starts.retire()
    await starts.handled()
    assert await starts.live() == newer
    assert await starts.requests() == []


async def test_what_a_ref_no_longer_builds_is_live_no_more(starts: Starts) -> None:
    await starts.executor()
    await starts.until_live(await starts.compile(source=MAIN, **starts.environments(dev="main", prod="main")), "prod")
    await starts.until_live(
        await starts.compile(source=MAIN, submission="s2", **starts.environments(dev="main")), "dev"
    )
    await starts.handled()
    assert await starts.live(environment="prod") is None


async def test_a_retired_product_starts_nothing_until_it_comes_back(starts: Starts) -> None:
    await starts.executor()
    event = await starts.compile(
        schedule=DAILY, triggers=(CompiledTrigger(type="event", event="run.completed", product="b"),)
    )
    live = await starts.until_live(event)
    await starts.retire()
    await starts.handled()
    assert await starts.live() is None
    assert (await starts.products.record(live.place)) == live.model_copy(update={"retired": True, "sequence": 2})
    assert starts.retired == [live.place]
    starts.clock.time += timedelta(days=3)
    await starts.complete("b")
    await starts.upstreams_handled()
    await starts.looked()
    assert await starts.requests() == []
    back = await starts.until_live(await starts.compile(submission="s2", schedule=DAILY))
    assert back.sequence > 2
    assert back.since > live.since


async def test_a_lost_bucket_is_restored_and_nothing_is_started_for_it(starts: Starts) -> None:
    executor = await starts.executor()
    three = starts.environments(dev="feature/*", prod="main")
    prod = await starts.compile(source=MAIN, triggers=(ON_COMPILE,), **three)
    topic = MAIN.model_copy(update={"ref": "refs/heads/feature/new"})
    dev = await starts.compile(source=topic, submission="s2", triggers=(ON_COMPILE,), **three)
    await starts.compile("other")
    await starts.retire("other")
    await starts.handled()
    before = [await starts.until_live(dev, "dev"), await starts.until_live(prod, "prod")]
    await starts.requested(2)
    await executor.stop()
    await starts.bus.js.purge_stream(RUNS)
    await starts.bus.js.delete_key_value(LIVE_PRODUCTS_BUCKET)
    await apply(starts.bus, declared(starts.bus.settings))
    await starts.executor()
    assert [await starts.until_live(dev, "dev"), await starts.until_live(prod, "prod")] == before
    await starts.looked()
    assert (await starts.products.record(Place("default", "dev", "other"))).retired  # type: ignore[union-attr]
    assert await starts.requests() == []


async def test_an_announcement_that_is_rubbish_is_a_dead_letter(starts: Starts) -> None:
    await starts.executor()
    good = await starts.compile()
    forged = good.model_copy(update={"artifact_digest": digest_of(b"another")})
    nowhere = good.model_copy(update={"source": MAIN.model_copy(update={"ref": "refs/heads/a..b"})})
    for number, event in enumerate((forged, nowhere)):
        await starts.bus.publish(event, id=f"rubbish:{number}")

    async def buried() -> list[str]:
        letters = [message async for message in read_stream(starts.bus.js, DLQ, "floe.v1.dlq.>")]
        found = [read_dead_letter(message.headers or {}, message.data).code or "" for message in letters]
        return found if len(found) == 2 else []

    assert await eventually(buried) == ["FLOE-ART-001", "FLOE-GIT-002"]
    await starts.until_live(good)


async def test_a_record_that_others_change_all_the_time_is_told_as_such(starts: Starts) -> None:
    live = LiveProduct(
        tenant="default",
        environment="dev",
        product="shop",
        artifact_digest=digest_of(b"a"),
        sequence=1,
        since=datetime.now(UTC).isoformat(),
    )
    bucket = await starts.bus.key_value(LIVE_PRODUCTS_BUCKET)

    class Meddling(LiveProducts):
        async def _read(self, place: Place) -> Any:
            stored = await super()._read(place)
            await bucket.put(place_key(place), live.model_dump_json().encode())
            return stored

    with pytest.raises(LiveProductChanged):
        await Meddling(lambda: starts.bus.key_value(LIVE_PRODUCTS_BUCKET)).change(live.place, lambda _: live)


# ---- compile triggers


async def test_a_compile_trigger_starts_what_becomes_live(starts: Starts) -> None:
    await starts.executor()
    only = CompiledTrigger(type="compile", environments=("prod", "nowhere"))
    environments = starts.environments(dev="main", prod="main")
    event = await starts.compile(source=MAIN, triggers=(only,), **environments)
    (request,) = await starts.requested(1)
    await starts.handled()
    assert await starts.requested(1) == [request]
    assert request.attributes.id == compiled_run_request_id("shop:s1", "prod") == "shop:s1:prod:run"
    assert request.attributes.causeid == "shop:s1"
    assert request.event == RunRequested(
        tenant="default",
        environment="prod",
        product="shop",
        artifact_digest=event.artifact_digest,
        requester="compile trigger",
        reason="a new artifact was compiled",
        trigger="compile",
        source=MAIN,
    )
    await starts.compile(source=MAIN, submission="s2", triggers=(ON_COMPILE,), **environments)
    assert sorted(ids(await starts.requested(3))) == ["shop:s1:prod:run", "shop:s2:dev:run", "shop:s2:prod:run"]


async def test_the_same_artifact_again_is_no_new_one(starts: Starts) -> None:
    await starts.executor()
    event = await starts.compile(triggers=(ON_COMPILE,))
    await starts.requested(1)
    await starts.bus.publish(event.model_copy(update={"submission": "again"}), id="shop:again")
    await starts.handled()
    assert len(await starts.requests()) == 1


async def test_a_request_is_asked_for_again_where_it_was_not_written_down(starts: Starts) -> None:
    """A worker that dies between the two: the event comes again, and its request is the same."""
    await starts.executor()
    event = await starts.compile(triggers=(ON_COMPILE,))
    await starts.until_live(event)
    await starts.handled()
    bucket = await starts.bus.key_value(LIVE_PRODUCTS_BUCKET)
    await bucket.delete("default.dev.shop")
    await starts.bus.js.delete_consumer(ARTIFACTS, EXECUTOR_ARTIFACTS)
    await apply(starts.bus, declared(starts.bus.settings))
    await starts.until_live(event)
    assert len(await starts.requests()) == 1


# ---- schedules


async def test_a_tick_seen_by_two_executors_is_one_request(starts: Starts) -> None:
    one, other = Clock(), Clock()
    services = [await starts.executor(one), await starts.executor(other)]
    event = await starts.compile(source=MAIN, schedule=DAILY, **starts.environments(dev="main"))
    live = await starts.until_live(event)
    since = datetime.fromisoformat(live.since)
    tick = since.replace(hour=6, minute=0, second=0, microsecond=0) + timedelta(days=1)
    one.time = other.time = tick
    await asyncio.gather(*(service.stop() for service in services))
    await asyncio.gather(starts.executor(one), starts.executor(other))
    (request,) = await starts.requested(1)
    assert request.attributes.id == f"default:shop:dev:schedule:{tick.isoformat()}"
    assert request.event.model_dump(exclude_defaults=True) == {
        "tenant": "default",
        "environment": "dev",
        "product": "shop",
        "artifact_digest": event.artifact_digest,
        "requester": "schedule",
        "reason": "the tick of 0 6 * * * (UTC)",
        "trigger": "schedule",
        "nominal_time": tick.isoformat(),
        "source": MAIN.model_dump(exclude_defaults=True),
    }

    async def written() -> bool:
        found = await starts.live()
        return found is not None and found.last_tick == tick.isoformat()

    await eventually(written)
    one.time = tick + timedelta(days=1)
    await starts.compile("other")  # something becomes live, and the scheduler that hears of it looks at all
    other.time = tick + timedelta(days=1)
    await starts.compile("third")
    await starts.compile("fourth")
    assert ids(await starts.requested(2))[1] == f"default:shop:dev:schedule:{(tick + timedelta(days=1)).isoformat()}"


@pytest.mark.parametrize(
    ("catch_up", "expected"), [("none", []), ("latest", [3]), ("all", [1, 2, 3])], ids=["none", "latest", "all"]
)
async def test_ticks_that_passed_while_no_executor_ran(starts: Starts, catch_up: str, expected: list[int]) -> None:
    executor = await starts.executor()
    hourly = CompiledSchedule(cron="30 * * * *", timezone="Europe/Berlin", enabled=True, catch_up=catch_up)
    live = await starts.until_live(await starts.compile(schedule=hourly))
    await executor.stop()
    since = datetime.fromisoformat(live.since)
    half = since.replace(minute=30, second=0, microsecond=0)
    first = half if half > since else half + timedelta(hours=1)
    starts.clock.time = first + timedelta(hours=2, minutes=10)
    await starts.executor()
    await starts.looked()
    ticks = [first + timedelta(hours=number - 1) for number in expected]
    found = await starts.requests()
    assert [request.event.nominal_time for request in found] == [tick.isoformat() for tick in ticks]
    now = await starts.live()
    assert now is not None
    assert now.last_tick == (ticks[-1].isoformat() if ticks else None)
    await starts.looked()
    assert len(await starts.requests()) == len(ticks)


async def test_a_schedule_that_changes_takes_effect_from_then_on(starts: Starts) -> None:
    await starts.executor()
    live = await starts.until_live(await starts.compile(schedule=DAILY))
    again = await starts.until_live(await starts.compile(submission="s2", schedule=DAILY))
    assert again.since == live.since  # the clock goes on
    minutely = CompiledSchedule(cron="* * * * *", timezone="UTC", enabled=True, catch_up="all")
    changed = await starts.until_live(await starts.compile(submission="s3", schedule=minutely))
    assert changed.since > live.since
    minute = datetime.fromisoformat(changed.since).replace(second=0, microsecond=0)
    starts.clock.time = minute + timedelta(minutes=2, seconds=30)
    disabled = minutely.model_copy(update={"enabled": False})
    await starts.looked()
    found = await starts.requests()
    assert [request.event.nominal_time for request in found] == [
        (minute + timedelta(minutes=number)).isoformat() for number in (1, 2)
    ]
    await starts.until_live(await starts.compile(submission="s4", schedule=disabled))
    starts.clock.time += timedelta(days=2)
    await starts.looked()
    assert len(await starts.requests()) == 2


async def test_ticks_are_asked_for_once_the_bus_is_back(
    blobs: BlobStore, store: RunStore, artifact: CompiledArtifacts, bus_settings: ChassisSettings, tmp_path: Path
) -> None:
    server = NatsServer(tmp_path / "bus")
    server.start()
    settings = bus_settings.model_copy(update={"nats_url": server.url, "publish_budget": 1.0})
    bus = Bus("test", settings)
    await bus.connect(wait=False)
    starts = Starts(bus, blobs, store, artifact)
    try:
        await apply(bus, declared(settings))
        executor = await starts.executor()
        live = await starts.until_live(await starts.compile(schedule=DAILY))
        await starts.handled()
        await executor.stop()
        scheduler = Scheduler(bus, starts.products, starts.clock, _nothing)
        ticking = asyncio.create_task(scheduler.run())
        server.kill()
        await eventually(lambda: not bus.connected)
        starts.clock.time += timedelta(days=1)
        scheduler.wake()
        server.start()
        (request,) = await starts.requested(1)
        assert request.event.nominal_time is not None
        assert datetime.fromisoformat(request.event.nominal_time) > datetime.fromisoformat(live.since)
        ticking.cancel()
        await asyncio.wait([ticking], timeout=30)
        assert ticking.done()
    finally:
        await bus.close()
        server.stop()


async def test_a_schedule_that_nobody_understands_keeps_no_other_from_ticking(starts: Starts) -> None:
    executor = await starts.executor()
    live = await starts.until_live(await starts.compile(schedule=DAILY))
    await executor.stop()
    for name, changes in {"strange": {"cron": "@fortnightly"}, "lost": {"timezone": "Mars/Olympus"}}.items():
        odd = live.model_copy(update={"product": name, "schedule": DAILY.model_copy(update=changes)})
        await starts.products.change(odd.place, lambda _, odd=odd: odd)  # type: ignore[misc]
    bucket = await starts.bus.key_value(LIVE_PRODUCTS_BUCKET)
    await bucket.put("default.dev.alien", b'{"version": "9.0"}')
    starts.clock.time += timedelta(days=2)
    await starts.executor()
    (request,) = await starts.requested(1)
    assert request.event.product == "shop"


# ---- event triggers


def after(product: str, event: str = "run.completed", table: str | None = None) -> Change:
    return {"triggers": (CompiledTrigger(type="event", event=event, product=product, table=table),)}


async def test_a_completed_run_starts_those_that_wait_for_it(starts: Starts) -> None:
    await starts.executor()
    below = await starts.compile("below", source=MAIN, **after("shop"))
    await starts.until_live(below)
    await starts.until_live(await starts.compile("elsewhere", **after("other")))
    completed = await starts.complete("shop", chain=("raw",))
    (request,) = await starts.requested(1)
    await starts.upstreams_handled()
    assert await starts.requested(1) == [request]
    assert request.attributes.id == f"{completed.run_id}:completed:below"
    assert request.event.model_dump(exclude_defaults=True) == {
        "tenant": "default",
        "environment": "dev",
        "product": "below",
        "artifact_digest": below.artifact_digest,
        "requester": "event trigger",
        "reason": "run.completed of shop",
        "trigger": "event",
        "caused_by": completed.run_id,
        "chain": ("raw", "shop"),
        "source": MAIN.model_dump(exclude_defaults=True),
    }


async def test_a_circle_of_triggers_ends_where_it_began(starts: Starts) -> None:
    await starts.executor()
    await starts.until_live(await starts.compile("a", **after("b")))
    await starts.until_live(await starts.compile("b", **after("a")))
    first = await starts.complete("a")
    (request,) = await starts.requested(1)
    assert (request.event.product, request.event.chain) == ("b", ("a",))
    await starts.complete("b", request.attributes.id, chain=request.event.chain, caused_by=first.run_id)
    await starts.upstreams_handled()
    assert await starts.requested(1) == [request]


async def test_a_product_that_waits_for_itself_is_not_started_and_counted(starts: Starts) -> None:
    executor = await starts.executor()
    await starts.until_live(await starts.compile("a", **after("a")))
    await executor.stop()
    reader = InMemoryMetricReader()
    measures = StartMeasures(MeterProvider([reader]))
    handlers = UpstreamHandlers(starts.bus, starts.blobs, starts.products, starts.store, measures)
    event = await starts.complete("a")
    await handlers.happened(Received(event, Attributes("completed", "floe/executor", datetime.now(UTC))))
    assert await starts.requests() == []
    data = reader.get_metrics_data()
    assert data is not None
    (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
    assert metric.name == names.CIRCLES_ENDED
    (point,) = metric.data.data_points
    assert dict(point.attributes or {}) == {names.ENVIRONMENT: "dev"}


async def test_new_rows_of_a_table_start_those_that_wait_for_it(starts: Starts) -> None:
    await starts.executor()
    await starts.until_live(await starts.compile("one", **after("shop", "table.committed", "orders")))
    await starts.until_live(await starts.compile("any", **after("shop", "table.committed")))
    await starts.until_live(await starts.compile("runs", **after("shop")))
    completed = await starts.complete("shop", "elsewhere")
    await starts.requested(1)
    commits = [("orders", None, True), ("orders", completed.run_id, False), ("customers", None, False)]
    for number, (table, run, maintenance) in enumerate(commits):
        event = TableCommitted(
            tenant="default",
            environment="dev",
            product="shop",
            identifier=f"default.dev.shop.main.{table}",
            table_uuid="u",
            snapshot_id=number,
            operation="append",
            rows=1,
            files=1,
            bytes=1,
            run_id=run,
            maintenance=maintenance,
        )
        await starts.bus.publish(event, id=f"u:{number}")
    found = await starts.requested(4)
    told = [(request.event.product, request.event.caused_by) for request in found]
    assert told[1:] == [("any", completed.run_id), ("one", completed.run_id), ("any", None)]
    assert ids(found)[1:] == ["u:1:any", "u:1:one", "u:2:any"]
    assert {request.event.chain for request in found} == {("shop",)}


@pytest.mark.parametrize(
    ("below", "expected"),
    [
        (CompiledPartitions(type="daily", start="2026-01-01", timezone="UTC"), "2026-03-01"),
        (CompiledPartitions(type="monthly", start="2026-01-01", timezone="UTC"), None),
        (None, None),
    ],
    ids=["the same", "others", "none"],
)
async def test_a_partition_is_passed_on_to_those_that_have_the_same(
    starts: Starts, below: CompiledPartitions | None, expected: str | None
) -> None:
    await starts.executor()
    daily = CompiledPartitions(type="daily", start="2026-01-01", timezone="UTC")
    await starts.until_live(await starts.compile("shop", orchestration=CompiledOrchestration(partitions=daily)))
    orchestration = CompiledOrchestration(partitions=below)
    await starts.until_live(await starts.compile("below", orchestration=orchestration, **after("shop")))
    await starts.complete("shop", options=RunOptions(partition="2026-03-01"))
    (request,) = await starts.requested(1)
    assert request.event.options.partition == expected


async def test_an_artifact_that_is_away_is_waited_for(starts: Starts, bus_settings: ChassisSettings) -> None:
    await starts.executor()
    daily = {"orchestration": CompiledOrchestration(partitions=CompiledPartitions(type="static", keys=("eu",)))}
    shop = await starts.compile("shop", **daily)
    await starts.until_live(await starts.compile("below", **daily, **after("shop")))
    content = await starts.blobs.get(shop.artifact_digest)
    file = _file(bus_settings, shop.artifact_digest)
    file.unlink()
    await starts.complete("shop", options=RunOptions(partition="eu"))

    async def tried() -> bool:
        info = await starts.bus.js.consumer_info("FLOE_EVENTS", EXECUTOR_UPSTREAMS)
        return bool(info.num_redelivered)

    await eventually(tried)
    assert await starts.requests() == []
    await starts.blobs.put(content)
    (request,) = await starts.requested(1)
    assert request.event.options.partition == "eu"


async def _nothing() -> None:
    """Restores nothing."""


def _file(settings: ChassisSettings, digest: str) -> Path:
    return Path((settings.blobs_url or "").removeprefix("file://")) / "sha256" / digest.removeprefix("sha256:")
