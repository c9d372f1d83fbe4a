"""The Iceberg catalogs of all environments, through `floe_lakehouse`, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchNamespaceError
from pyiceberg.types import IcebergType

from floe_catalog.adapters.catalog_calls import CatalogCalls
from floe_catalog.adapters.declared_types import DeclaredTypes
from floe_catalog.adapters.listed_tables import listed_tables
from floe_catalog.adapters.registration import create_table, evolve_table
from floe_catalog.adapters.shown_tables import shown
from floe_catalog.core.declared_tables import DeclaredTable
from floe_catalog.core.drift import without_ids
from floe_catalog.core.namespaces import ProductNamespace, is_superseded
from floe_catalog.core.ports import ShownTable
from floe_contracts.artifacts import CompiledEnvironment
from floe_contracts.openlineage.naming import Place
from floe_lakehouse.catalogs import ensure_namespace, reaching
from floe_lakehouse.errors import UnsupportedColumnType
from floe_lakehouse.identifiers import product_namespace
from floe_lakehouse.tables import find_table
from floe_lakehouse.types import landed_columns

_LISTING_SECONDS: Final = 300.0
"""A catalog may have thousands of tables below one namespace; nobody but the product's own task waits for them."""


class IcebergLakehouse:
    """Fulfils `Lakehouse`."""

    def __init__(self, calls: CatalogCalls, local: Callable[[], Catalog]) -> None:
        """Ask catalogs through `calls`; `local` opens that of the service's own settings."""
        self._calls = calls
        self._local = local
        self._types = DeclaredTypes()

    async def ensure(self, place: Place, environment: CompiledEnvironment, namespace: ProductNamespace) -> None:
        await self._calls.run(
            place, environment, lambda catalog: _ensure(catalog, namespace), what=f"the namespace of {place}"
        )

    async def find(self, place: Place, environment: CompiledEnvironment, identifier: str) -> ShownTable | None:
        def look(catalog: Catalog) -> ShownTable | None:
            table = find_table(catalog, tuple(identifier.split(".")))
            return None if table is None else shown(identifier, table)

        return await self._calls.run(place, environment, look, what=identifier)

    async def listed(self, place: Place, environment: CompiledEnvironment) -> Mapping[str, str | None]:
        return await self._calls.run(
            place,
            environment,
            lambda catalog: listed_tables(catalog, product_namespace(place)),
            what=f"the tables of {place}",
            seconds=_LISTING_SECONDS,
        )

    async def types(self, compute: str, words: Iterable[str]) -> Mapping[str, str]:
        wanted = frozenset(words)
        return await asyncio.to_thread(
            lambda: {word: spelled for word in wanted if (spelled := self._spelled(compute, word)) is not None}
        )

    async def create(self, place: Place, environment: CompiledEnvironment, table: DeclaredTable) -> None:
        await self._calls.run(
            place, environment, lambda catalog: create_table(catalog, self._types, table), what=table.identifier
        )

    async def evolve(self, place: Place, environment: CompiledEnvironment, table: DeclaredTable) -> None:
        await self._calls.run(
            place, environment, lambda catalog: evolve_table(catalog, self._types, table), what=table.identifier
        )

    async def ping(self) -> None:
        await asyncio.to_thread(self._ping)

    async def close(self) -> None:
        """Ask nobody any more."""
        await self._calls.close()
        await asyncio.to_thread(self._types.close)

    def _spelled(self, compute: str, word: str) -> str | None:
        read = self._types.read(compute, word)
        if read is None:
            return None
        try:
            (column,) = landed_columns("", [("", read)])
        except UnsupportedColumnType:
            return None
        found: IcebergType = column.iceberg_type
        return without_ids(str(found))

    def _ping(self) -> None:
        with reaching("the catalog"):
            self._local().list_namespaces()


def _ensure(catalog: Catalog, namespace: ProductNamespace) -> None:
    with reaching("the catalog"):
        try:
            present: Mapping[str, str] = catalog.load_namespace_properties(namespace.levels)
        except NoSuchNamespaceError:
            present = {}
    if is_superseded(namespace, present):
        return
    ensure_namespace(catalog, namespace.levels, namespace.properties)
    if removed := {name for name in namespace.removed if name in present}:
        with reaching("the catalog"):
            catalog.update_namespace_properties(namespace.levels, removals=removed)
