"""Tags and branches on request."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from floe_catalog.core.maintenance_actions import ActionResult, TableWork, maintained, maintained_id, options_of
from floe_catalog.requests.lake import FoundTable, Lake
from floe_chassis.answers import Asked
from floe_chassis.bus import Bus
from floe_contracts.catalog_requests import ChangeBranch, ChangeTag, ReferenceChanged
from floe_lakehouse.errors import CatalogLacks
from floe_lakehouse.history.past_snapshots import find_snapshot
from floe_lakehouse.history.references import branch_snapshot, tag_snapshot
from floe_lakehouse.identifiers import Identifier
from floe_lakehouse.maintenance.reports import MaintenanceReport


class ChangeReference(Protocol):
    """`tag_snapshot` or `branch_snapshot`."""

    def __call__(
        self,
        catalog: Catalog,
        identifier: Identifier,
        name: str,
        snapshot_id: int | None,
        *,
        remove: bool = False,
        fence: Callable[[], None],
    ) -> MaintenanceReport:
        """Make, move or remove it."""
        ...


class SnapshotNames:
    """Names snapshots for whoever asks, and tells of it."""

    def __init__(self, lake: Lake, bus: Bus) -> None:
        self._lake = lake
        self._bus = bus

    async def change_tag(self, asked: Asked[ChangeTag]) -> ReferenceChanged:
        """Make, move or remove a tag.

        Raises:
            CatalogLacks: the catalog would forget it.
            FloeError: what finding table and snapshot raises, and what changing the tag does.
        """
        return await self._change(asked, tag_snapshot)

    async def change_branch(self, asked: Asked[ChangeBranch]) -> ReferenceChanged:
        """Make, move or remove a branch; raises what `change_tag` raises."""
        return await self._change(asked, branch_snapshot)

    async def _change(self, asked: Asked[ChangeTag] | Asked[ChangeBranch], change: ChangeReference) -> ReferenceChanged:
        request, began = asked.request, time.monotonic()
        found = await self._lake.asked_table(asked)
        table_uuid, snapshot_id = await self._lake.look(found, partial(_pointed, request.at))
        report = await self._lake.ask(
            found.product,
            lambda catalog: change(
                catalog, found.levels, request.name, snapshot_id, remove=request.remove, fence=_nobody_asks
            ),
            f"the table {found.identifier}",
        )
        result = ActionResult(
            action=report.action, table_uuid=table_uuid, report=report, seconds=time.monotonic() - began
        )
        await self._tell(found, asked, result)
        if report.outcome == "unsupported":
            raise CatalogLacks(f"a {report.action} of {found.identifier} is not possible: {report.reason}")
        return ReferenceChanged(
            identifier=found.identifier,
            name=request.name,
            before=report.snapshot_before,
            after=report.snapshot_after,
        )

    async def _tell(
        self, found: FoundTable, asked: Asked[ChangeTag] | Asked[ChangeBranch], result: ActionResult
    ) -> None:
        work = TableWork(
            place=found.place,
            identifier=found.identifier,
            actions=(result.action,),
            options=options_of(found.product.environment.maintenance),
            requester=asked.asker,
            cause=asked.id,
        )
        event = maintained(work, result)
        await self._bus.publish(event, id=maintained_id(work, event))


def _pointed(at: str | None, table: Table) -> tuple[str, int | None]:
    uuid = str(table.metadata.table_uuid)
    return uuid, None if at is None else find_snapshot(table, at).snapshot_id


def _nobody_asks() -> None:
    """A name is in nobody's way: no lease is needed for it."""
