"""Which namespaces and tables there are."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchNamespaceError

from floe_catalog.adapters.table_states import TableStates
from floe_catalog.errors import TableUnknown
from floe_catalog.requests.gaps import Gaps
from floe_catalog.requests.lake import FoundTable, Lake, at_most
from floe_catalog.requests.snapshot_entries import current_entry
from floe_catalog.tables.products import Product
from floe_chassis.answers import Asked
from floe_contracts.catalog_requests import (
    ListNamespaces,
    ListTables,
    NamespaceEntry,
    NamespaceList,
    TableEntry,
    TableList,
)
from floe_lakehouse.catalogs import reaching
from floe_lakehouse.identifiers import Identifier, dotted, product_namespace


async def list_namespaces(lake: Lake, asked: Asked[ListNamespaces]) -> NamespaceList:
    """The namespaces of the products, and those below them."""
    gaps = Gaps(asked.request.product)
    products = await lake.products(asked, asked.request.product, gaps)
    counted = Counter(table.levels[:-1] for table in await lake.tables(products, gaps))

    async def of(product: Product) -> list[NamespaceEntry]:
        root = product_namespace(product.place)
        found: list[tuple[Identifier, dict[str, str]]] = []
        with gaps.of(product.place.product):
            found = await lake.ask(product, lambda catalog: _namespaces(catalog, root), "its namespaces")
        return [
            NamespaceEntry(
                namespace=dotted(levels), product=product.place.product, tables=counted[levels], properties=properties
            )
            for levels, properties in found
        ]

    asked_for = [product for product in products if gaps.failure(product.place.product) is None]
    entries = [entry for entries in await at_most(of(product) for product in asked_for) for entry in entries]
    return NamespaceList(
        namespaces=tuple(sorted(entries, key=lambda entry: entry.namespace)),
        unanswered=gaps.unanswered(beside=entries),
    )


async def list_tables(lake: Lake, states: TableStates, asked: Asked[ListTables]) -> TableList:
    """The tables of the products, each with its current snapshot."""
    gaps = Gaps(asked.request.product)
    products = await lake.products(asked, asked.request.product, gaps)
    drift = {
        state.identifier: len(state.drift) for product in products for state in await states.of_product(product.place)
    }

    entries: list[TableEntry] = []

    async def of(table: FoundTable) -> None:
        with gaps.of(table.place.product), suppress(TableUnknown):  # gone since it was listed
            entries.append(
                TableEntry(
                    identifier=table.identifier,
                    product=table.place.product,
                    snapshot=await lake.look(table, current_entry),
                    drift=drift.get(table.identifier, 0),
                )
            )

    await at_most(of(table) for table in await lake.tables(products, gaps))
    return TableList(
        tables=tuple(sorted(entries, key=lambda entry: entry.identifier)), unanswered=gaps.unanswered(beside=entries)
    )


def _namespaces(catalog: Catalog, root: Identifier) -> list[tuple[Identifier, dict[str, str]]]:
    with reaching("the catalog"):
        try:
            found = [root, *(tuple(child) for child in catalog.list_namespaces(root))]
            return [(levels, dict(catalog.load_namespace_properties(levels))) for levels in found]
        except NoSuchNamespaceError:  # nothing was landed there yet
            return []
