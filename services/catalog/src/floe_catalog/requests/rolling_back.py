"""Rolling back on request: what becomes of each table, and doing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from pyiceberg.table import Table

from floe_catalog.errors import NothingToRollBack, RunNotWhole
from floe_catalog.requests.gaps import Gaps
from floe_catalog.requests.lake import FoundTable, Lake
from floe_catalog.requests.maintaining import maintenance_result
from floe_catalog.rollbacks.work import Rollbacks
from floe_catalog.tables.products import Product
from floe_catalog.tables.telling import Teller
from floe_chassis.answers import Asked
from floe_contracts.catalog_requests import MaintenanceResult, MaintenanceResults, RollBack
from floe_contracts.rollbacks import Rollback, TableRollback
from floe_lakehouse.errors import CatalogLacks, SnapshotMissing
from floe_lakehouse.history.past_snapshots import find_snapshot
from floe_lakehouse.history.runs import RunTable, run_tables
from floe_lakehouse.identifiers import dotted
from floe_lakehouse.pasts import why_not_ours


@dataclass(frozen=True, slots=True)
class Planned:
    """What becomes of the tables of a product.

    Attributes:
        found: every table that it is about, by identifier.
        tables: those that are rolled back.
        others: what there is to say of the others.
    """

    found: dict[str, FoundTable]
    tables: tuple[TableRollback, ...]
    others: tuple[MaintenanceResult, ...]


async def roll_back(lake: Lake, rollbacks: Rollbacks, teller: Teller, asked: Asked[RollBack]) -> MaintenanceResults:
    """Make former snapshots current.

    Raises:
        ProductBusy: a run builds the product.
        NothingToRollBack: no table has anything of the run.
        RunNotWhole: something that the run left has expired.
        RollbackUnfinished: it stopped in the middle; the service goes on by itself.
        CatalogLacks: the catalog shows no snapshot but the current one.
        FloeError: what finding the tables raises.
    """
    tables = await _tables(lake, asked)
    product = tables[0].product
    if reason := await lake.ask(product, why_not_ours, f"the catalog of {product.place}"):
        raise CatalogLacks(f"tables of {product.place} cannot be rolled back: {reason}")
    if asked.request.dry_run:
        plan = await _plan(lake, asked, product, tables)
        would = tuple(_would(table) for table in plan.tables)
        return _results([*would, *plan.others])
    async with rollbacks.holding(product.place) as lease:
        plan = await _plan(lake, asked, product, tables)
        if not plan.tables:
            return _results(plan.others)
        for table in plan.tables:  # a snapshot that was current between two looks of the reconciler would go untold
            await teller.tell_table(product.place, table.identifier)
        rollback = Rollback(
            tenant=product.place.tenant,
            environment=product.place.environment,
            product=product.place.product,
            cause=asked.id,
            requester=asked.asker,
            to=asked.request.to,
            asked_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            tables=plan.tables,
        )
        done = await rollbacks.roll_back(rollback, lease)
    results = [maintenance_result(plan.found[name], result, dry_run=False) for name, result in done.items()]
    return _results([*results, *plan.others])


async def _tables(lake: Lake, asked: Asked[RollBack]) -> tuple[FoundTable, ...]:
    """The table that is named, or all of the product that the run belongs to."""
    request = asked.request
    if request.table is not None:
        return (await lake.table(asked, request.table, request.product),)
    hint, gaps = None, Gaps(request.product)
    for product in await lake.products(asked, request.product, gaps):
        with gaps.of(product.place.product):
            tables = await lake.tables([product], Gaps(product.place.product))
            try:
                await _of_run(lake, product, tables, request.run_id or "")
            except SnapshotMissing as error:  # it is no run of this product, or nothing is left of it
                hint = hint or error.hint
            else:
                return tables
    gaps.check()  # the run may be one of a product that could not be asked
    raise NothingToRollBack(
        f"no table in {asked.environment} has a snapshot of run {request.run_id}",
        hint=hint or "floe catalog snapshots shows what there is",
    )


async def _plan(lake: Lake, asked: Asked[RollBack], product: Product, tables: Sequence[FoundTable]) -> Planned:
    found = {table.identifier: table for table in tables}
    if asked.request.table is None:
        wanted, others = await _wanted_of_run(lake, product, tables, asked.request.run_id or "")
    else:
        wanted, others = {tables[0].identifier: asked.request.to}, []
    planned = []
    for identifier, to in wanted.items():
        table = await lake.look(found[identifier], partial(_table_rollback, identifier, to))
        if isinstance(table, TableRollback):
            planned.append(table)
        else:
            others.append(table)
    return Planned(found, tuple(planned), tuple(others))


async def _wanted_of_run(
    lake: Lake, product: Product, tables: Sequence[FoundTable], run_id: str
) -> tuple[dict[str, str], list[MaintenanceResult]]:
    """The snapshots that a run left, by table, and what there is to say of the tables that stay."""
    standings = await _of_run(lake, product, tables, run_id)
    if gone := [dotted(each.identifier) for each in standings if each.standing == "expired"]:
        raise RunNotWhole(
            f"what run {run_id} left of {', '.join(gone)} has expired",
            hint="roll the other tables back one by one, by naming them",
        )
    wanted = {dotted(each.identifier): str(each.snapshot_id) for each in standings if each.standing == "left"}
    reasons = {"current": "it is as the run left it", "created_later": "it came after the run, and stays as it is"}
    others = [
        _nothing(dotted(each.identifier), reasons[each.standing]) for each in standings if each.standing in reasons
    ]
    return wanted, others


async def _of_run(lake: Lake, product: Product, tables: Sequence[FoundTable], run_id: str) -> tuple[RunTable, ...]:
    names = [table.levels for table in tables]
    return await lake.ask(product, lambda catalog: run_tables(catalog, names, run_id), f"what run {run_id} left")


def _table_rollback(identifier: str, to: str, table: Table) -> TableRollback | MaintenanceResult:
    target, current = find_snapshot(table, to).snapshot_id, table.metadata.current_snapshot_id
    if current is None or current == target:
        return _nothing(identifier, "this is the current snapshot already")
    return TableRollback(identifier=identifier, table_uuid=str(table.metadata.table_uuid), before=current, after=target)


def _would(table: TableRollback) -> MaintenanceResult:
    return MaintenanceResult(
        identifier=table.identifier,
        action="rollback",
        outcome="done",
        dry_run=True,
        snapshot_before=table.before,
        snapshot_after=table.after,
    )


def _nothing(identifier: str, reason: str) -> MaintenanceResult:
    return MaintenanceResult(identifier=identifier, action="rollback", outcome="nothing_to_do", reason=reason)


def _results(results: Sequence[MaintenanceResult]) -> MaintenanceResults:
    return MaintenanceResults(results=tuple(sorted(results, key=lambda result: result.identifier)))
