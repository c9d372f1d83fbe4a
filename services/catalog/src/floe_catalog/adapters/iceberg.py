"""The Iceberg catalog, through `floe_lakehouse`, off the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchNamespaceError

from floe_catalog.core.namespaces import ProductNamespace, is_superseded
from floe_catalog.core.ports import FoundSnapshot, FoundTable
from floe_lakehouse.catalogs import ensure_namespace, open_catalog, reaching
from floe_lakehouse.identifiers import Identifier
from floe_lakehouse.snapshots import ARTIFACT_DIGEST, RUN_ID, summary_of
from floe_lakehouse.tables import find_table


class IcebergLakehouse:
    """One catalog for all environments, opened when it is first needed."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        self._properties = dict(properties)
        self._opening = threading.Lock()
        self._opened: Catalog | None = None

    async def ensure(self, namespace: ProductNamespace) -> None:
        await asyncio.to_thread(self._ensure, namespace)

    async def find(self, identifier: Identifier, snapshot_id: int) -> FoundTable | None:
        return await asyncio.to_thread(self._find, identifier, snapshot_id)

    async def ping(self) -> None:
        await asyncio.to_thread(self._ping)

    def _ensure(self, namespace: ProductNamespace) -> None:
        catalog = self._catalog()
        with reaching("the catalog"):
            try:
                present: Mapping[str, str] = catalog.load_namespace_properties(namespace.levels)
            except NoSuchNamespaceError:
                present = {}
        if not is_superseded(namespace, present):
            ensure_namespace(catalog, namespace.levels, namespace.properties)

    def _find(self, identifier: Identifier, snapshot_id: int) -> FoundTable | None:
        table = find_table(self._catalog(), identifier)
        if table is None:
            return None
        snapshot = table.metadata.snapshot_by_id(snapshot_id)
        uuid = str(table.metadata.table_uuid)
        if snapshot is None:
            return FoundTable(uuid, None)
        told = summary_of(snapshot)
        return FoundTable(
            uuid,
            FoundSnapshot(
                snapshot_id=snapshot.snapshot_id,
                parent_snapshot_id=snapshot.parent_snapshot_id,
                operation=snapshot.summary.operation.value if snapshot.summary else "",
                rows=int(told.get("total-records", 0)),
                files=int(told.get("total-data-files", 0)),
                bytes=int(told.get("total-files-size", 0)),
                run_id=told.get(RUN_ID),
                artifact_digest=told.get(ARTIFACT_DIGEST),
            ),
        )

    def _ping(self) -> None:
        with reaching("the catalog"):
            self._catalog().list_namespaces()

    def _catalog(self) -> Catalog:
        with self._opening:
            if self._opened is None:
                self._opened = open_catalog(self._properties)
            return self._opened
