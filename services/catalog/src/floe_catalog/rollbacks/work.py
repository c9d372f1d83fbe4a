"""Rolling tables back under the lease of their product, with a journal that whoever comes after a crash finishes."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Final

import structlog
from pyiceberg.catalog import Catalog
from pyiceberg.table.snapshots import ancestors_of

from floe_catalog.adapters.catalog_calls import CatalogCalls
from floe_catalog.adapters.rollback_journal import RollbackJournal
from floe_catalog.core.maintenance_actions import (
    ActionResult,
    Failure,
    TableWork,
    maintained,
    maintained_id,
    options_of,
)
from floe_catalog.core.rollback_plans import CurrentTable, next_step
from floe_catalog.errors import ActionFailed, ProductBusy, ProductUnknown, RollbackUnfinished
from floe_catalog.tables.products import Product, Products
from floe_catalog.tables.telling import Teller
from floe_chassis.bus import Bus
from floe_chassis.fault_points import reach
from floe_chassis.key_values import entries_below
from floe_chassis.leases import Lease
from floe_chassis.topology import RUNS_BUCKET
from floe_contracts.errors import FloeError, Permanent, Transient
from floe_contracts.openlineage.naming import Place
from floe_contracts.rollbacks import Rollback, TableRollback
from floe_contracts.runs import RunRecord, RunStatus, place_key
from floe_lakehouse.history.rollback import rollback_table
from floe_lakehouse.maintenance.reports import MaintenanceReport
from floe_lakehouse.snapshots import MAINTENANCE, summary_of
from floe_lakehouse.tables import find_table

_LOOK_SECONDS: Final = 5.0

_log = structlog.get_logger(__name__)


class Rollbacks:
    """Rolls tables back. While it does, no run of the product lands, since a run has the same lease."""

    def __init__(
        self, bus: Bus, journal: RollbackJournal, products: Products, calls: CatalogCalls, teller: Teller
    ) -> None:
        self._bus = bus
        self._journal = journal
        self._products = products
        self._calls = calls
        self._teller = teller

    @asynccontextmanager
    async def holding(self, place: Place) -> AsyncIterator[Lease]:
        """The lease of a product, so that nothing lands while a rollback is planned and done.

        What a crash left of another rollback is finished before.

        Raises:
            ProductBusy: a run or another rollback has it.
            Unreachable: the bus does not answer.
        """
        lease = await Lease.acquire(self._bus, self._bus.settings, place_key(place))
        if lease is None:
            raise await self._busy(place)
        try:
            if (unfinished := await self._journal.find(place)) is not None:
                await self._finish(unfinished, lease)
            yield lease
        finally:
            await lease.release()

    async def roll_back(self, rollback: Rollback, lease: Lease) -> dict[str, ActionResult]:
        """Roll tables back: identifier -> what came of it.

        Before the first table is touched it is written down what is to become of all of them.

        Raises:
            RollbackUnfinished: something needed did not answer in the middle; the service goes on by itself.
            LeaseLost: somebody else has the product by now; likewise.
        """
        if not await self._journal.begin(rollback):
            raise ProductBusy(f"another rollback of {rollback.product} in {rollback.environment} is not finished")
        await reach("rollback-journalled")
        return await self._finish(rollback, lease)

    async def run(self) -> None:
        """Finish what a crash left, until cancelled."""
        own = asyncio.current_task()
        # A cancellation that meets the bus's answer is swallowed by `asyncio.wait_for` of Python 3.11.
        while own is not None and not own.cancelling():
            try:
                for rollback in await self._journal.all():
                    await self._take_up(rollback.place)
            except FloeError as error:  # the next look tries again
                _log.warning("rollback.unfinished", error=str(error))
            await asyncio.sleep(_LOOK_SECONDS)

    async def _take_up(self, place: Place) -> None:
        try:
            async with self.holding(place):
                _log.info("rollback.finished", place=str(place))
        except Exception as error:  # noqa: BLE001 -- whoever has the product finishes it, or the next look does
            _log.warning("rollback.unfinished", place=str(place), error=str(error))

    async def _finish(self, rollback: Rollback, lease: Lease) -> dict[str, ActionResult]:
        try:
            product = await self._products.find(rollback.place)
        except ProductUnknown:  # it was retired meanwhile: its tables stay as they are, also should it come back
            _log.warning("rollback.given_up", place=str(rollback.place), tables=len(rollback.tables))
            await self._journal.end(rollback)
            raise
        results = {}
        for table in rollback.tables:
            try:
                results[table.identifier] = await self._table(product, rollback, table, lease)
            except Transient as error:
                raise RollbackUnfinished(
                    f"the rollback of {rollback.product} stopped at {table.identifier}: {error.message}",
                    hint="the service goes on with it by itself as soon as it can",
                ) from error
            await reach("rollback-table-done")
        await self._journal.end(rollback)
        return results

    async def _table(self, product: Product, rollback: Rollback, table: TableRollback, lease: Lease) -> ActionResult:
        began = time.monotonic()
        try:
            result = await self._switched(product, table, self._fence(lease))
        except Exception as error:  # noqa: BLE001 -- a table that cannot be read keeps no other from going back
            failure = _failure(table, error)
            result = ActionResult(action="rollback", table_uuid=table.table_uuid, failure=failure)
        result = replace(result, seconds=time.monotonic() - began)
        await self._tell(product, table)
        work = TableWork(
            place=product.place,
            identifier=table.identifier,
            actions=("rollback",),
            options=options_of(product.environment.maintenance),
            requester=rollback.requester,
            cause=rollback.cause,
        )
        event = maintained(work, result)
        await self._bus.publish(event, id=maintained_id(work, event))
        return result

    async def _tell(self, product: Product, table: TableRollback) -> None:
        try:
            await self._teller.tell_table(product.place, table.identifier)
        except Exception as error:  # noqa: BLE001 -- likewise; what it shows once it can be read the reconciler tells
            _failure(table, error)

    async def _switched(self, product: Product, table: TableRollback, fence: Callable[[], None]) -> ActionResult:
        ask = partial(self._calls.run, product.place, product.environment, what=table.identifier)
        now = await ask(partial(_current, table.identifier))
        match next_step(table, now):
            case "roll_back":
                levels = tuple(table.identifier.split("."))
                expected = now.snapshot_id if now else None
                report = await ask(
                    lambda catalog: rollback_table(
                        catalog, levels, table.after, expected_snapshot_id=expected, fence=fence
                    )
                )
            case "done":
                report = MaintenanceReport(
                    action="rollback", outcome="done", snapshot_before=table.before, snapshot_after=table.after
                )
            case "changed":
                changed = "somebody else has changed the table since: it stays as it is"
                failure = Failure(code=ProductBusy.code, message=changed)
                return ActionResult(action="rollback", table_uuid=table.table_uuid, failure=failure)
        return ActionResult(action="rollback", table_uuid=table.table_uuid, report=report)

    def _fence(self, lease: Lease) -> Callable[[], None]:
        loop = asyncio.get_running_loop()

        def fence() -> None:
            asyncio.run_coroutine_threadsafe(lease.confirm(), loop).result()

        return fence

    async def _busy(self, place: Place) -> ProductBusy:
        entries = await entries_below(await self._bus.key_value(RUNS_BUCKET), f"{place_key(place)}.*")
        records = [RunRecord.model_validate_json(entry.value or b"", extra="ignore") for entry in entries]
        running = next((record.run_id for record in records if record.status is RunStatus.STARTED), None)
        if running is None:
            return ProductBusy(f"the tables of {place.product} in {place.environment} are in use", hint="ask again")
        return ProductBusy(
            f"run {running} builds {place.product} in {place.environment}",
            hint=f"wait for its end, or end it with floe runs cancel {running}",
        )


def _failure(table: TableRollback, error: Exception) -> Failure:
    """What keeps a table from being rolled back.

    Raises:
        FloeError: it may pass by itself, or the lease is lost: the rollback is to go on later.
    """
    if isinstance(error, FloeError) and not isinstance(error, Permanent):
        raise error
    if isinstance(error, FloeError):
        return Failure(code=error.code, message=error.message, hint=error.hint)
    _log.error("rollback.unexpected", table=table.identifier, last="".join(traceback.format_exception(error)))
    return Failure(code=ActionFailed.code, message=f"{type(error).__name__}: {error}")


def _current(identifier: str, catalog: Catalog) -> CurrentTable | None:
    table = find_table(catalog, tuple(identifier.split(".")))
    if table is None:
        return None
    same_rows = set()
    for snapshot in ancestors_of(table.current_snapshot(), table.metadata):
        same_rows.add(snapshot.snapshot_id)
        if MAINTENANCE not in summary_of(snapshot):
            break
    return CurrentTable(str(table.metadata.table_uuid), table.metadata.current_snapshot_id, frozenset(same_rows))
