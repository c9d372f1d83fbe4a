"""The life of a run: one attempt after another, until one of them ends it or it is ended from outside.

What ends a run from outside (somebody asks for its end, or its time is up) counts until the first table is switched;
from then on the run is completed, so that its tables belong together. A run whose journal outlived its worker is
completed too: nobody knows how far that one came.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from floe_chassis import fault_points
from floe_chassis.bus import Bus
from floe_chassis.leases import Lease
from floe_contracts.errors import FloeError, LeaseLost, Permanent
from floe_contracts.events import Problem, RunCompleted, RunFailed
from floe_contracts.runs import RunRecord, RunStatus, run_key
from floe_executor.adapters.state.cancellation_store import CancellationStore
from floe_executor.adapters.state.run_store import RunStore, StoredRun
from floe_executor.clock import now
from floe_executor.core import run_states
from floe_executor.core.retries import tried
from floe_executor.errors import AttemptDied, LandingAhead
from floe_executor.runs.attempt import Attempt
from floe_executor.runs.attempts import Attempts
from floe_executor.runs.cancellations import Cancellations, Cancelled
from floe_executor.runs.earlier_builds import EarlierBuilds
from floe_executor.runs.endings import Endings
from floe_executor.runs.products import Products
from floe_executor.runs.run_rules import RunRules
from floe_executor.runs.tellings import Tellings
from floe_executor.settings import ExecutorSettings

log = structlog.get_logger(__name__)
_PARTING_SECONDS: Final = 3.0
"""For writing down what a stopped worker leaves; the process is about to end."""


class RunWorker:
    """Works on runs; one call of `work` is one attempt."""

    def __init__(
        self,
        *,
        bus: Bus,
        store: RunStore,
        products: Products,
        earlier: EarlierBuilds,
        attempts: Attempts,
        endings: Endings,
        tellings: Tellings,
        marks: CancellationStore,
        cancellations: Cancellations,
        settings: ExecutorSettings,
    ) -> None:
        self._bus = bus
        self._store = store
        self._products = products
        self._earlier = earlier
        self._attempts = attempts
        self._endings = endings
        self._tellings = tellings
        self._marks = marks
        self._cancellations = cancellations
        self._settings = settings

    async def work(self, stored: StoredRun, lease: Lease) -> None:
        """Make the next attempt of the run, or end it if no attempt is left for it.

        Raises:
            Transient: what became of it could not be written; whoever takes it up next sees that.
        """
        stored = await self._store.read(run_key(stored.record.place, stored.record.run_id))
        record = stored.record
        rules = await self._rules(record)
        if record.attempt:
            await self._tellings.recover()  # who worked on it may have died on this disk, with something to tell
        if record.status.terminal:
            await self._tell_again(stored, rules)
            return
        mark = await self._marks.find(record)
        if mark is not None and record.landing is None:
            await self._leave(stored, lease, rules, Cancelled(mark))
        elif record.status is RunStatus.STARTED and rules.exhausted(record):
            await self._leave(stored, lease, rules, rules.exhaustion(record, None))
        else:
            await self._attempt(stored, lease, rules)

    async def lost(self, stored: StoredRun, lease: Lease, reason: str) -> None:
        """Count an attempt whose process ended before it came to the run."""
        record = stored.record
        rules = await self._rules(record)
        wait = rules.wait(tried(record) + 1)
        stored = await self._store.update(stored, run_states.lost(record, now() + timedelta(seconds=wait)))
        log.warning("the process of an attempt ended before it began", run_id=record.run_id, reason=reason)
        if rules.exhausted(stored.record):
            await self._leave(stored, lease, rules, rules.exhaustion(stored.record, AttemptDied(reason)))

    async def _attempt(self, stored: StoredRun, lease: Lease, rules: RunRules) -> None:
        again = stored.record.status is RunStatus.STARTED
        await fault_points.reach("before-work")
        partition = rules.scheduled_partition(stored.record)
        stored = await self._store.update(stored, run_states.started(stored.record, now(), partition))
        record = stored.record
        attempt = Attempt(stored, lease, self._tellings.of(record), switching=record.landing is not None)
        await self._bus.publish(run_states.started_event(record), id=f"{record.run_id}:started:{record.attempt}")
        async with attempt.telling.attempt():
            try:
                outcome = await self._guarded(attempt, rules, self._work(attempt, rules, again=again))
            except asyncio.CancelledError:
                await self._interrupted(attempt)
                raise
            except LeaseLost:
                raise
            except (Cancelled, Permanent) as reason:
                await self._end(attempt, rules, reason)
                return
            except LandingAhead:
                await self._step_back(attempt)
                return
            except Exception as error:  # noqa: BLE001 -- whatever it was, another attempt may come further
                await self._failed(attempt, rules, error)
                return
            await self._endings.tell(await self._endings.write(attempt.stored, outcome), attempt.telling)

    async def _work(self, attempt: Attempt, rules: RunRules, *, again: bool) -> RunCompleted:
        product = rules.found()
        await self._attempts.begin(attempt, product, again=again)
        _check_wanted()
        request, selection = await self._attempts.prepare(attempt, product)
        _check_wanted()
        await self._attempts.build(attempt, request, selection)
        _check_wanted()
        await self._attempts.land(attempt, request)
        return RunCompleted(
            **run_states.identity(attempt.stored.record),
            attempt=attempt.stored.record.attempt,
            nodes=attempt.outcomes,
            tables=attempt.tables,
            lineage_events=await attempt.telling.count(),
            seconds=attempt.seconds,
        )

    async def _guarded(
        self, attempt: Attempt, rules: RunRules, work: Coroutine[Any, Any, RunCompleted]
    ) -> RunCompleted:
        """Do the work as long as the lease is ours, nobody asks for the run's end, and its time is not up.

        Raises:
            LeaseLost: the lease is not ours any more.
            Cancelled: somebody asked for the end.
            RunTimedOut: the time is up.
        """
        record = attempt.stored.record
        task = asyncio.create_task(work)
        lost = asyncio.create_task(attempt.lease.lost.wait())
        cancel = asyncio.create_task(self._cancellations.wait(record))
        late = asyncio.create_task(_until(rules.deadline(record)))
        watching: set[asyncio.Task[Any]] = {lost, cancel, late}
        try:
            while not task.done():
                done, _ = await asyncio.wait({task, *watching}, return_when=asyncio.FIRST_COMPLETED)
                if task.done():
                    break
                if lost in done:
                    raise LeaseLost("the lease of the run was lost while it was running")
                if attempt.switching:
                    watching -= done
                elif cancel in done:
                    raise Cancelled(cancel.result())
                else:
                    raise rules.timed_out()
            return task.result()
        finally:
            attempt.ended = True
            for each in (task, *{lost, cancel, late}):
                each.cancel()
            await asyncio.gather(task, lost, cancel, late, return_exceptions=True)

    async def _failed(self, attempt: Attempt, rules: RunRules, error: Exception) -> None:
        """After an attempt that may go well another time: wait for the next one, or give up."""
        record = attempt.stored.record
        if not isinstance(error, FloeError):
            log.error("an attempt of a run broke off", run_id=record.run_id, exc_info=error)
        if rules.exhausted(record):
            await self._end(attempt, rules, rules.exhaustion(record, error))
            return
        not_before = now() + timedelta(seconds=rules.wait(tried(record)))
        deadline = rules.deadline(record)
        if deadline is not None and not_before >= deadline and record.landing is None:
            await self._end(attempt, rules, rules.timed_out())
            return
        log.warning(
            "an attempt of a run failed and another one follows",
            run_id=record.run_id,
            attempt=record.attempt,
            not_before=not_before.isoformat(),
            error=str(error),
        )
        await attempt.telling.close_open()
        built = await self._earlier.keep(attempt.built)
        await self._store.update(attempt.stored, run_states.failed_attempt(record, built, not_before))

    async def _step_back(self, attempt: Attempt) -> None:
        """Leave the run for later, with what is built: nothing of it has failed, and another one is due first."""
        await attempt.telling.close_open()
        built = await self._earlier.keep(attempt.built)
        await self._store.update(attempt.stored, run_states.interrupted(attempt.stored.record, built))

    async def _interrupted(self, attempt: Attempt) -> None:
        """Leave the run to another worker, with what is built; this one is being stopped."""
        if attempt.lease.lost.is_set() or not self._bus.connected:
            return
        with contextlib.suppress(Exception):  # then it is taken up as after a crash
            async with asyncio.timeout(_PARTING_SECONDS):
                built = await self._earlier.keep(attempt.built)
                await self._store.update(attempt.stored, run_states.interrupted(attempt.stored.record, built))

    async def _leave(self, stored: StoredRun, lease: Lease, rules: RunRules, reason: Cancelled | FloeError) -> None:
        """End a run without another attempt; what its attempts left open is closed."""
        attempt = Attempt(stored, lease, self._tellings.of(stored.record))
        if rules.product is not None and stored.record.started_at is not None:
            await self._attempts.begin(attempt, rules.product, again=True)
        await self._end(attempt, rules, reason)

    async def _end(self, attempt: Attempt, rules: RunRules, reason: Cancelled | FloeError) -> None:
        """End the run by a failure, or because somebody wants it."""
        record, telling = attempt.stored.record, attempt.telling
        await telling.close_open()
        if attempt.earlier is None and rules.product is not None and record.started_at is not None:
            with contextlib.suppress(FloeError):  # the end is told all the same
                attempt.earlier = await self._attempts.built_before(record, rules.product)
        built = await self._earlier.keep(attempt.built)
        events = await telling.count() if record.started_at is not None else 0
        if isinstance(reason, Cancelled):
            outcome: run_states.RunEnded = run_states.cancelled(
                record, reason.request, attempt.outcomes, events, attempt.seconds
            )
        else:
            outcome = RunFailed(
                **run_states.identity(record),
                attempt=record.attempt,
                nodes=attempt.outcomes,
                tables=attempt.tables,
                problems=tuple(Problem.of(problem) for problem in getattr(reason, "problems", (reason,))),
                lineage_events=events,
                seconds=attempt.seconds,
            )
        ended = await self._endings.write(attempt.stored, outcome, built)
        if rules.product is not None:
            await self._attempts.landings.discard(ended, rules.product)
        await self._endings.tell(ended, telling)

    async def _tell_again(self, stored: StoredRun, rules: RunRules) -> None:
        if rules.product is not None and stored.record.status is not RunStatus.COMPLETED:
            await self._attempts.landings.discard(stored, rules.product)
        await self._endings.tell_again(stored)

    async def _rules(self, record: RunRecord) -> RunRules:
        try:
            return RunRules(self._settings, await self._products.of_run(record))
        except FloeError as error:
            return RunRules(self._settings, problem=error)


def _check_wanted() -> None:
    """Stop a task that was cancelled: Python 3.11 can lose a cancellation that meets an answer of the bus."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _until(moment: datetime | None) -> None:
    if moment is None:
        await asyncio.Event().wait()
    else:
        await asyncio.sleep(max(0.0, (moment - now()).total_seconds()))
