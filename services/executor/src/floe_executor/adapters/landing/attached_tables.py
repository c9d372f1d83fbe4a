"""Tables that dbt has written into an attached Iceberg catalog itself: nothing is copied, what is there is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from pyiceberg.catalog import Catalog
from pyiceberg.table import FileScanTask, Table

from floe_contracts.attached_catalogs import is_attached
from floe_contracts.events import LandedTable
from floe_contracts.nodes import Node
from floe_executor.core.landed_table import Landed
from floe_executor.core.landing_journal import StagedNode
from floe_executor.core.ports import BuildRequest, Lander
from floe_lakehouse.catalogs import reaching
from floe_lakehouse.compiled_catalogs import CatalogHandles
from floe_lakehouse.errors import TableMissing
from floe_lakehouse.identifiers import dotted

_MODE: Final = "attached"


class AttachedTables:
    """Fulfils `Lander` for environments with an attached catalog, and hands all others on."""

    def __init__(self, other: Lander, handles: CatalogHandles) -> None:
        self._other = other
        self._handles = handles

    async def stage(self, request: BuildRequest, nodes: Sequence[Node]) -> tuple[StagedNode, ...]:
        if not is_attached(request.environment):
            return await self._other.stage(request, nodes)
        return await asyncio.to_thread(self._look, request, nodes)

    async def switch(
        self, request: BuildRequest, staged: StagedNode, *, token: int, fence: Callable[[], None]
    ) -> Landed:
        if not is_attached(request.environment):
            return await self._other.switch(request, staged, token=token, fence=fence)
        found = staged.staged
        facts = {**found["table"], "snapshot_id": int(found["table"]["snapshot_id"])}
        table = LandedTable.read({**facts, "unique_id": staged.unique_id})
        columns = [(name, kind, "") for name, kind in found["columns"]]
        return Landed(table, columns, source_columns=[name for name, _, _ in columns])

    async def discard(self, request: BuildRequest, staged: StagedNode) -> None:
        if not is_attached(request.environment):
            await self._other.discard(request, staged)

    def _look(self, request: BuildRequest, nodes: Sequence[Node]) -> tuple[StagedNode, ...]:
        place = request.record.place
        catalog = self._handles.open(place.tenant, place.environment, request.environment)
        with reaching(f"the catalog {request.environment.catalog.name!r}"):
            return tuple(
                StagedNode(unique_id=node.unique_id, staged=_found(catalog, (node.schema_name, node.identifier)))
                for node in nodes
            )


def _found(catalog: Catalog, identifier: tuple[str, ...]) -> dict[str, Any]:
    if not catalog.table_exists(identifier):
        raise TableMissing(
            f"the attached catalog has no table {dotted(identifier)}", hint="see what its materialisation writes"
        )
    table = catalog.load_table(identifier)
    snapshot = table.current_snapshot()
    planned = list(table.scan().plan_files())
    return {
        "identifier": list(identifier),
        "table": {
            "identifier": dotted(identifier),
            "table_uuid": str(table.metadata.table_uuid),
            "snapshot_id": str(snapshot.snapshot_id if snapshot else -1),  # 64 bits, more than a JSON number holds
            "rows": _rows(table, planned),
            "files": len(planned),
            "bytes": sum(task.file.file_size_in_bytes for task in planned),
            "mode": _MODE,
        },
        "columns": [[column.name, str(column.field_type)] for column in table.schema().fields],
    }


def _rows(table: Table, planned: Sequence[FileScanTask]) -> int:
    """The rows of a table; read and counted only where deletes stand beside a file."""
    if any(task.delete_files for task in planned):
        return table.scan().count()
    return sum(task.file.record_count for task in planned)
