"""Landing the tables of a product's DuckDB file in Iceberg, off the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from pyiceberg.catalog import Catalog

from floe_contracts.events import LandedTable
from floe_contracts.nodes import Node
from floe_contracts.openlineage.naming import Place
from floe_executor.core.landing_journal import StagedNode
from floe_executor.core.ports import BuildRequest, Landed
from floe_lakehouse import snapshots
from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.identifiers import dotted, product_table
from floe_lakehouse.landing import switch_table
from floe_lakehouse.staged import LandingRequest, StagedTable
from floe_lakehouse.staging import stage_table

_STAGED_AT_ONCE: Final = 2
"""Tables that are copied at the same time; each copy runs the compute's threads under its memory limit."""


class IcebergLander:
    """Fulfils `Lander` for warehouses that are DuckDB files."""

    def __init__(self, catalog_uri: str, catalog_warehouse: str, database_of: Callable[[Place], Path]) -> None:
        self._properties = {"type": "sql", "uri": catalog_uri, "warehouse": catalog_warehouse}
        self._database_of = database_of
        self._opening = threading.Lock()
        self._opened: Catalog | None = None

    async def stage(self, request: BuildRequest, nodes: Sequence[Node]) -> tuple[StagedNode, ...]:
        room = asyncio.Semaphore(_STAGED_AT_ONCE)

        async def stage(node: Node) -> StagedNode:
            async with room:
                return await asyncio.to_thread(self._stage, request, node)

        return tuple(await asyncio.gather(*(stage(node) for node in nodes)))

    async def switch(
        self, request: BuildRequest, staged: StagedNode, *, token: int, fence: Callable[[], None]
    ) -> Landed:
        return await asyncio.to_thread(self._switch, request, staged, token, fence)

    def _stage(self, request: BuildRequest, node: Node) -> StagedNode:
        record, compute = request.record, request.environment.compute
        staged = stage_table(
            self._catalog(),
            LandingRequest(
                database=self._database_of(record.place),
                schema=node.schema_name,
                table=node.identifier,
                identifier=product_table(record.place, node.schema_name, node.identifier),
                run_id=record.run_id,
                attempt=record.attempt,
                memory_limit=str(compute.properties["memory_limit"]),
                threads=compute.threads,
            ),
        )
        return StagedNode(unique_id=node.unique_id, staged=staged.to_json())

    def _switch(self, request: BuildRequest, staged: StagedNode, token: int, fence: Callable[[], None]) -> Landed:
        place = request.record.place
        landed = switch_table(
            self._catalog(),
            StagedTable.from_json(staged.staged),
            sequence=token,
            properties={
                snapshots.TENANT: place.tenant,
                snapshots.ENVIRONMENT: place.environment,
                snapshots.PRODUCT: place.product,
                snapshots.ARTIFACT_DIGEST: request.record.artifact_digest,
            },
            fence=fence,
        )
        table = LandedTable(
            identifier=dotted(landed.identifier),
            unique_id=staged.unique_id,
            table_uuid=landed.table_uuid,
            snapshot_id=landed.snapshot_id,
            rows=landed.rows,
            files=landed.files,
            bytes=landed.size_bytes,
        )
        return Landed(table, [(field.name, field.type, "") for field in landed.fields])

    def _catalog(self) -> Catalog:
        with self._opening:
            if self._opened is None:
                self._opened = open_catalog(self._properties)
            return self._opened
