from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from floe_chassis.bus import Bus
from floe_chassis.leases import Lease
from floe_chassis.settings import ChassisSettings
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import eventually
from floe_chassis.topology import EVENTS, RUNS_BUCKET
from floe_contracts.errors import LeaseLost
from floe_contracts.events import CancellationRequested, PartitionChoice, RunOptions
from floe_contracts.runs import RunRecord, RunStatus, place_key, run_key
from floe_executor.adapters.state.backfill_store import BackfillStore
from floe_executor.adapters.state.cancellation_store import CancellationStore
from floe_executor.adapters.state.run_store import RunStore, StoredRun
from floe_executor.core import backfills
from floe_executor.core.backfills import BackfillRecord
from floe_executor.core.queueing import Due
from floe_executor.runs.backfill_runs import BackfillRuns
from floe_executor.runs.dispatcher import Dispatcher
from floe_executor.runs.waiting_runs import PlaceQueue, WaitingRuns
from floe_executor.settings import ExecutorSettings

NOBODY: Any = None
Dispatching = Callable[..., AbstractAsyncContextManager[Dispatcher]]


class Worker:
    """Ends each run as soon as it may, and notes under which lease it was asked to."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self.began: list[str] = []
        self.lost: list[str] = []
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def work(self, stored: StoredRun, lease: Lease) -> None:
        record = stored.record
        self.began.append(record.run_id)
        try:
            await lease.verify()
        except LeaseLost:
            self.lost.append(record.run_id)
        await self.may_end.wait()
        ended = {"status": RunStatus.COMPLETED, "started_at": record.requested_at}
        await self._store.update(stored, record.model_copy(update=ended))
        await self._store.settle(record)


class HeldLooks(WaitingRuns):
    """Holds whoever looks at a place."""

    def __init__(self, store: RunStore, bucket: Any) -> None:
        super().__init__(store, BackfillStore(bucket), CancellationStore(bucket), NOBODY, NOBODY)
        self.looked = asyncio.Event()
        self.may_look = asyncio.Event()
        self.may_look.set()

    async def first(self, queue: PlaceQueue, now: datetime) -> tuple[list[StoredRun], Due]:
        self.looked.set()
        await self.may_look.wait()
        return await super().first(queue, now)


@pytest.fixture
def waiting(bus: Bus, store: RunStore) -> HeldLooks:
    return HeldLooks(store, partial(bus.key_value, RUNS_BUCKET))


@pytest.fixture
def worker(store: RunStore) -> Worker:
    return Worker(store)


@pytest.fixture
def dispatching(bus: Bus, bus_settings: ChassisSettings, store: RunStore, waiting: HeldLooks) -> Dispatching:
    @asynccontextmanager
    async def dispatching(worker: Any) -> AsyncIterator[Dispatcher]:
        dispatcher = Dispatcher(
            bus=bus,
            store=store,
            waiting=waiting,
            worker=worker,
            settings=ExecutorSettings(tick_seconds=0.05),
            chassis=bus_settings,
        )
        looking = asyncio.create_task(dispatcher.run())
        try:
            yield dispatcher
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    return dispatching


def part(record: RunRecord, number: int) -> RunRecord:
    """A waiting part of a backfill."""
    return record.model_copy(
        update={
            "run_id": f"part-{number}",
            "status": RunStatus.QUEUED,
            "attempt": 0,
            "backfill": "backfill",
            "sequence": 1,
            "position": number,
        }
    )


@pytest.mark.bus
async def test_a_dispatcher_ends_when_told_to(bus: Bus, bus_settings: ChassisSettings, store: RunStore) -> None:
    """It is told to in the middle of its requests, whose answers must not swallow the cancellation."""
    settings = ExecutorSettings(tick_seconds=0.0005)
    bucket = partial(bus.key_value, RUNS_BUCKET)
    nothing_waits: Any = None
    waiting = WaitingRuns(store, BackfillStore(bucket), CancellationStore(bucket), nothing_waits, nothing_waits)
    for number in range(40):
        dispatcher = Dispatcher(
            bus=bus,
            store=store,
            waiting=waiting,
            worker=nothing_waits,
            settings=settings,
            chassis=bus_settings,
        )
        looking = asyncio.create_task(dispatcher.run())
        await asyncio.sleep(0.01 + number * 0.0003)
        looking.cancel()
        done, _ = await asyncio.wait([looking], timeout=30)
        assert done, f"still looking, in round {number}"


@pytest.mark.bus
async def test_no_run_begins_under_a_lease_that_was_given_back(
    bus: Bus,
    bus_settings: ChassisSettings,
    store: RunStore,
    run_record: RunRecord,
    waiting: HeldLooks,
    worker: Worker,
    dispatching: Dispatching,
) -> None:
    """The last run of a backfill ends, and its lease with it, while the dispatcher looks for the next part."""
    for number in range(2):
        await store.add(part(run_record, number))
    worker.may_end.clear()
    async with dispatching(worker) as dispatcher:
        await eventually(lambda: _is(worker.began, ["part-0"]))
        waiting.may_look.clear()
        waiting.looked.clear()
        dispatcher.wake()
        await asyncio.wait_for(waiting.looked.wait(), 60)
        worker.may_end.set()
        lease = await eventually(lambda: Lease.acquire(bus, bus_settings, place_key(run_record.place)))
        assert lease is not None
        waiting.looked.clear()
        waiting.may_look.set()
        await asyncio.wait_for(waiting.looked.wait(), 60)
        assert worker.began == ["part-0"]
        await lease.release()
        await eventually(lambda: _is(worker.began, ["part-0", "part-1"]))
    assert worker.lost == []


async def _is(found: list[str], wanted: list[str]) -> bool:
    return found == wanted


@pytest.mark.bus
async def test_a_record_that_cannot_be_read_keeps_its_own_place_waiting_only(
    bus: Bus, store: RunStore, run_record: RunRecord, worker: Worker, dispatching: Dispatching
) -> None:
    broken = run_record.model_copy(update={"environment": "broken", "run_id": "broken", "status": RunStatus.QUEUED})
    await store.add(broken)
    await (await bus.key_value(RUNS_BUCKET)).put(run_key(broken.place, "broken"), b"{}")
    await store.add(run_record.model_copy(update={"run_id": "later", "sequence": 9, "status": RunStatus.QUEUED}))
    async with dispatching(worker):
        await eventually(lambda: _is(worker.began, ["later"]))


def _backfill(record: RunRecord) -> BackfillRecord:
    """A backfill of two partitions, whose runs are recorded."""
    return BackfillRecord(
        backfill="backfill",
        tenant=record.tenant,
        environment=record.environment,
        product=record.product,
        artifact_digest=record.artifact_digest,
        cause="cause",
        sequence=1,
        requested_at=record.requested_at,
        requester="test",
        reason="test",
        options=RunOptions(),
        choice=PartitionChoice(),
        keys=("a", "b"),
        made=2,
    )


@pytest.mark.bus
async def test_a_backfill_is_not_over_while_another_executor_records_its_last_runs(
    bus: Bus, store: RunStore, run_record: RunRecord
) -> None:
    bucket = partial(bus.key_value, RUNS_BUCKET)
    store_of_backfills = BackfillStore(bucket)
    place = run_record.place
    stored = await store_of_backfills.add(_backfill(run_record))
    first, second = (backfills.part(stored.record, index) for index in range(2))
    await store.add(first.model_copy(update={"status": RunStatus.COMPLETED}))
    still = await store.add(second)
    runs = BackfillRuns(bus, store, store_of_backfills, CancellationStore(bucket), NOBODY, NOBODY)
    listed_before: list[Any] = []
    await runs.advance(stored, listed_before, cancelled=False)
    found = await store_of_backfills.find(place, "backfill")
    assert found is not None
    assert found.record.ended_at is None
    await store.update(still, second.model_copy(update={"status": RunStatus.FAILED}))
    await runs.advance(found, listed_before, cancelled=False)
    told = [message async for message in read_stream(bus.js, EVENTS, "floe.v1.backfill.>")]
    assert [json.loads(message.data)["results"] for message in told] == [
        [
            {"partition": "a", "run_id": first.run_id, "status": "completed"},
            {"partition": "b", "run_id": second.run_id, "status": "failed"},
        ]
    ]


@pytest.mark.bus
async def test_marks_go_with_what_they_would_end_or_by_themselves(
    bus: Bus, store: RunStore, run_record: RunRecord
) -> None:
    """That of a run which nobody knows waits for it, as long as its request may be on its way."""
    bucket = partial(bus.key_value, RUNS_BUCKET)
    marks, store_of_backfills = CancellationStore(bucket), BackfillStore(bucket)
    place = run_record.place
    ended = await store_of_backfills.add(_backfill(run_record))
    await store_of_backfills.update(ended, backfills.ended(ended.record, datetime.now(UTC)))
    await store_of_backfills.settle(ended)
    await store.add(run_record.model_copy(update={"run_id": "ended", "status": RunStatus.COMPLETED}))
    for name in ("backfill", "ended", "unknown"):
        await marks.add(
            CancellationRequested(
                tenant=place.tenant,
                environment=place.environment,
                product=place.product,
                run_id=name,
                requester="test",
                reason="test",
            )
        )
    await WaitingRuns(store, store_of_backfills, marks, NOBODY, NOBODY).places()
    assert await marks.keys() == {run_key(place, "unknown")}
    kept = await bus.js.get_last_msg(f"KV_{RUNS_BUCKET}", f"$KV.{RUNS_BUCKET}.cancel.{run_key(place, 'unknown')}")
    assert (kept.headers or {})["Nats-TTL"] == str(30 * 24 * 3600)
