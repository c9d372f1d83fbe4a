"""The one place where something is done to a table to keep it small: under its lease, with pins, told as events."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final, TypeAlias

from floe_catalog.adapters.expiry_journal import ExpiryJournal
from floe_catalog.adapters.snapshot_pins import SnapshotPins
from floe_catalog.core.maintenance_actions import (
    ActionProgress,
    ActionResult,
    Failure,
    TableWork,
    in_order,
    is_told,
    maintained,
    maintained_id,
    no_progress,
    options_of,
)
from floe_catalog.errors import MaintenanceBusy, ProductUnknown, SnapshotPinnedMeanwhile
from floe_catalog.maintenance.action_job import ActionJob, LookBack, OpenTable, TableJob
from floe_catalog.maintenance.action_process import ActionProcess, ActionProcesses
from floe_catalog.maintenance.maintenance_telemetry import MaintenanceTelemetry
from floe_chassis.bus import Bus
from floe_chassis.leases import Lease, lease_key
from floe_contracts.events.tables import MaintenanceAction
from floe_contracts.expiry_attempts import ExpiryAttempt
from floe_contracts.maintenance import CompiledMaintenance
from floe_contracts.openlineage.naming import Place
from floe_contracts.subjects import escape
from floe_lakehouse.maintenance.reports import MaintenanceReport

Confirm: TypeAlias = Callable[[], Awaitable[None]]
CatalogOf: TypeAlias = Callable[[Place], Awaitable[Mapping[str, str]]]
"""The properties, secrets among them, of the catalog of a place."""
TellTable: TypeAlias = Callable[[Place, str], Awaitable[object]]
"""Tells of what the table's own metadata shows that was not told yet."""

_FOUND_AGAIN: Final = frozenset[MaintenanceAction]({"compaction", "manifests"})
"""What leaves a snapshot, by which the attempt after a crash finds what the one before it had committed."""
_PIN_TRIES: Final = 3


class TableMaintenance:
    """Does what is asked to tables, one process a table; two never work on one table at the same time."""

    def __init__(
        self,
        bus: Bus,
        *,
        catalog_of: CatalogOf,
        tell: TellTable,
        pins: SnapshotPins,
        journal: ExpiryJournal,
        processes: ActionProcesses,
        telemetry: MaintenanceTelemetry,
        guard_seconds: float,
        clock: Callable[[], datetime],
    ) -> None:
        """`guard_seconds`: a snapshot that was current within so long does not expire."""
        self._bus = bus
        self._catalog_of = catalog_of
        self._tell = tell
        self._pins = pins
        self._journal = journal
        self._processes = processes
        self._telemetry = telemetry
        self._guard_seconds = guard_seconds
        self._clock = clock

    async def maintain_table(self, work: TableWork, progress: ActionProgress = no_progress) -> tuple[ActionResult, ...]:
        """Do what `work` says to a table, and tell of it.

        A failure that may pass by itself ends it; another one does not keep the following actions from being tried.
        May be repeated for the same cause, by anybody: what was done is not done again, and is told of once.

        Args:
            work: what is to be done.
            progress: told how far each action is, on the event loop.

        Returns:
            What came of each action, in the order in which they were tried.

        Raises:
            MaintenanceBusy: somebody else works on this table.
            LeaseLost: somebody else may work on it by now; what was committed is told by whoever looks next.
            Unreachable: the bus does not answer.
            FloeError: the catalog of the place cannot be opened.
        """
        if work.dry_run:
            return await self._do(work, progress, _nobody_asks)
        async with self._holding(work.place, work.identifier) as lease:
            return await self._do(work, progress, lease.confirm)

    async def _do(self, work: TableWork, progress: ActionProgress, confirm: Confirm) -> tuple[ActionResult, ...]:
        actions = in_order(work.actions)
        job = await self._table(work.place, work.identifier)
        async with self._processes.one() as process:
            opened = await process.open(job)
            if isinstance(opened, Failure):
                return (ActionResult(action=actions[0], table_uuid="", failure=opened),)
            if not work.dry_run and (attempt := await self._journal.find(work.place, work.identifier)) is not None:
                await self._tell_of(process, opened, attempt)
            results: list[ActionResult] = []
            for action in actions:
                result = await self._act(process, work, opened, action, confirm, partial(progress, action))
                results.append(result)
                if result.failure is not None and result.failure.transient:
                    break
        if not work.dry_run and any(result.outcome == "done" for result in results):
            await self._tell(work.place, work.identifier)
        return tuple(results)

    async def unfinished(self) -> list[ExpiryAttempt]:
        """The expiries that may have been committed and of which nobody has told.

        Raises:
            Unreachable: the bus does not answer.
        """
        return await self._journal.all()

    async def finish(self, attempt: ExpiryAttempt) -> None:
        """Tell of an expiry whose attempt died, unless somebody works on its table.

        Raises:
            Unreachable: the bus does not answer.
            FloeError: the catalog of the place cannot be opened.
        """
        try:
            async with self._holding(attempt.place, attempt.identifier), self._processes.one() as process:
                opened = await process.open(await self._table(attempt.place, attempt.identifier))
                if isinstance(opened, OpenTable):
                    await self._tell_of(process, opened, attempt)
                elif not opened.transient:
                    await self._journal.end(attempt)
        except MaintenanceBusy:  # whoever works on it has told, or is at it
            return
        except ProductUnknown:  # it was retired meanwhile, and interests nobody
            await self._journal.end(attempt)

    async def _tell_of(self, process: ActionProcess, table: OpenTable, attempt: ExpiryAttempt) -> None:
        """Tell what an expiry had committed before its attempt died."""
        if table.table_uuid == attempt.table_uuid:
            report = await process.look_back(LookBack(metadata_location=attempt.metadata_location))
            if isinstance(report, Failure):
                if report.transient:
                    return
            elif report.outcome == "done":
                work = _work_of(attempt)
                event = maintained(work, ActionResult(action="expiry", table_uuid=table.table_uuid, report=report))
                await self._bus.publish(event, id=maintained_id(work, event))
        await self._journal.end(attempt)

    @asynccontextmanager
    async def _holding(self, place: Place, identifier: str) -> AsyncIterator[Lease]:
        """The lease of a table.

        Raises:
            MaintenanceBusy: somebody else has it.
            Unreachable: the bus does not answer.
        """
        key = f"maintenance.{lease_key(place.tenant, place.environment, place.product)}.{escape(identifier)}"
        lease = await Lease.acquire(self._bus, self._bus.settings, key)
        if lease is None:
            raise MaintenanceBusy(
                f"{identifier} is being maintained at the moment", hint="wait for its table.maintained events"
            )
        try:
            yield lease
        finally:
            await lease.release()

    async def _table(self, place: Place, identifier: str) -> TableJob:
        return TableJob(catalog=dict(await self._catalog_of(place)), identifier=tuple(identifier.split(".")))

    async def _act(
        self,
        process: ActionProcess,
        work: TableWork,
        table: OpenTable,
        action: MaintenanceAction,
        confirm: Confirm,
        progress: Callable[[int, int], None],
    ) -> ActionResult:
        """One action, from its pins to its event."""
        started = time.monotonic()
        with self._telemetry.action(work, action) as span:
            async with self._noted(work, table, action) as earlier_base:
                job = ActionJob(
                    action=action,
                    options=work.options,
                    now_ms=int(self._clock().timestamp() * 1000),
                    guard_seconds=self._guard_seconds,
                    earlier_base=earlier_base,
                    dry_run=work.dry_run,
                )
                came_of_it = await self._run(process, work, table, job, confirm, progress)
                result = ActionResult(
                    action=action,
                    table_uuid=table.table_uuid,
                    report=came_of_it if isinstance(came_of_it, MaintenanceReport) else None,
                    failure=came_of_it if isinstance(came_of_it, Failure) else None,
                    seconds=time.monotonic() - started,
                )
                if is_told(work, result):
                    event = maintained(work, result)
                    await self._bus.publish(event, id=maintained_id(work, event))
                if action == "expiry" and not work.dry_run and not (result.failure and result.failure.transient):
                    await self._journal.end(_attempt(work, table))
            self._telemetry.ended(span, work, result)
        return result

    async def _run(
        self,
        process: ActionProcess,
        work: TableWork,
        table: OpenTable,
        job: ActionJob,
        confirm: Confirm,
        progress: Callable[[int, int], None],
    ) -> MaintenanceReport | Failure:
        if job.action != "expiry":
            return await process.act(job, confirm, progress)
        for _ in range(_PIN_TRIES):
            pinned = await self._pins.pinned(table.table_uuid)

            async def confirm_pins(known: frozenset[int] = pinned) -> None:
                await confirm()
                if new := await self._pins.pinned(table.table_uuid) - known:
                    raise SnapshotPinnedMeanwhile(f"somebody reads {', '.join(map(str, sorted(new)))} now")
                await self._journal.begin(_attempt(work, table))

            try:
                return await process.act(_pinning(job, pinned), confirm_pins, progress)
            except SnapshotPinnedMeanwhile as error:
                refusal = error
        return Failure(code=refusal.code, message=refusal.message, transient=True)

    @asynccontextmanager
    async def _noted(self, work: TableWork, table: OpenTable, action: MaintenanceAction) -> AsyncIterator[int | None]:
        """Pin the snapshot that an action begins with; gives the one with which an attempt that died began.

        The pin of an attempt that died says for which cause it was: it stays until what that attempt did is told.
        """
        if action not in _FOUND_AGAIN or work.dry_run or table.snapshot_id is None:
            yield None
            return
        noted = await self._pins.notes(table.table_uuid, action)
        earlier = [snapshot for snapshot, cause in noted.items() if cause == work.cause]
        base = earlier[0] if earlier else table.snapshot_id
        async with self._pins.hold(table.table_uuid, base, holder=action, note=work.cause):
            yield base if earlier else None


def _attempt(work: TableWork, table: OpenTable) -> ExpiryAttempt:
    return ExpiryAttempt(
        tenant=work.place.tenant,
        environment=work.place.environment,
        product=work.place.product,
        identifier=work.identifier,
        table_uuid=table.table_uuid,
        metadata_location=table.metadata_location,
        cause=work.cause,
        requester=work.requester,
    )


def _work_of(attempt: ExpiryAttempt) -> TableWork:
    return TableWork(
        place=attempt.place,
        identifier=attempt.identifier,
        actions=("expiry",),
        options=options_of(CompiledMaintenance()),
        requester=attempt.requester,
        cause=attempt.cause,
    )


def _pinning(job: ActionJob, pinned: frozenset[int]) -> ActionJob:
    return replace(job, pinned=tuple(sorted(pinned)))


async def _nobody_asks() -> None:
    """A dry run commits nothing."""
