"""The files `serve.duckdb`, one for each product in each environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pyiceberg.catalog import Catalog

from floe_catalog.adapters.catalog_calls import CatalogCalls
from floe_catalog.adapters.listed_tables import listed_tables
from floe_catalog.core.declared_tables import DeclaredTable
from floe_catalog.core.served_relations import served_relations
from floe_contracts.artifacts import CompiledEnvironment
from floe_contracts.openlineage.naming import Place
from floe_contracts.subjects import escape
from floe_lakehouse.identifiers import dotted, product_namespace
from floe_lakehouse.serving.refreshing import WantedTable, refresh_served
from floe_lakehouse.serving.serve_database import SERVE_FILE, ServedTable

_SECONDS: Final = 300.0
"""What changed is read from the footers of its files, of which there may be many; nobody waits for it."""


class ServeDatabases:
    """The files below one folder."""

    def __init__(self, calls: CatalogCalls, folder: Path) -> None:
        """Ask catalogs through `calls`, and write below `folder`."""
        self._calls = calls
        self._folder = folder

    def file(self, place: Place) -> Path:
        """`<folder>/<tenant>/<environment>/<product>/serve.duckdb`, each part escaped as in a subject."""
        parts = (escape(part) for part in (place.tenant, place.environment, place.product))
        return self._folder.joinpath(*parts, SERVE_FILE)

    async def refresh(
        self, place: Place, environment: CompiledEnvironment, declared: Mapping[str, DeclaredTable]
    ) -> tuple[ServedTable, ...]:
        """Show a product's tables as they are now; what it shows then.

        Args:
            place: the product and its environment.
            environment: the environment, as compiled.
            declared: the tables that the project declares, by identifier.

        Raises:
            TableNotServed: tables could not be read, or the file could not be written.
            CatalogUnreachable: the catalog does not answer.
        """
        namespace = product_namespace(place)

        def look(catalog: Catalog) -> Iterator[WantedTable]:
            listed = listed_tables(catalog, namespace)
            for one in served_relations(namespace, declared, listed):
                yield WantedTable(one.levels, one.schema_name, one.table_name, listed.get(dotted(one.levels)))

        return await self._calls.run(
            place,
            environment,
            lambda catalog: refresh_served(self.file(place), catalog, look),
            what=f"the tables of {place}",
            seconds=_SECONDS,
        )
