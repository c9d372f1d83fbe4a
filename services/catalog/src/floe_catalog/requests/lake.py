"""The tables of a tenant's environment, as requests find them.

The tenant is that of the request's subject, and the catalog's handle that of the tenant: nothing that a request says in
its body leads to another tenant's tables.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from floe_catalog.adapters.catalog_calls import CatalogCalls
from floe_catalog.adapters.listed_tables import listed_tables
from floe_catalog.core.table_names import NamedTable, find_named
from floe_catalog.errors import ProductUnknown, TableUnknown
from floe_catalog.requests.gaps import Gaps
from floe_catalog.tables.products import Product, Products
from floe_chassis.answers import Asked
from floe_contracts.catalog_requests import TableRequest
from floe_contracts.openlineage.naming import Place
from floe_contracts.suggestions import meant_or_known
from floe_lakehouse.identifiers import Identifier, product_namespace
from floe_lakehouse.tables import find_table

T = TypeVar("T")

_AT_ONCE: Final = 4
"""Calls of one request to catalogs at the same time: the time limit of a call must not run while it waits in line."""


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table that a request names, and its product."""

    product: Product
    identifier: str

    @property
    def place(self) -> Place:
        """Whose table it is."""
        return self.product.place

    @property
    def levels(self) -> Identifier:
        """Namespace levels, then the name."""
        return tuple(self.identifier.split("."))


class Lake:
    """Finds products and tables, and looks at them off the event loop."""

    def __init__(self, products: Products, calls: CatalogCalls) -> None:
        self._products = products
        self._calls = calls

    async def product(self, asked: Asked[Any], name: str) -> Product:
        """The product of that name in the environment of a request; raises what `products` raises."""
        (product,) = await self.products(asked, name, Gaps(name))
        return product

    async def products(self, asked: Asked[Any], name: str | None, gaps: Gaps) -> tuple[Product, ...]:
        """The products that live in the environment of a request, or the one of that name.

        Raises:
            ProductUnknown: none of that name lives there.
            FloeError: its artifact cannot be read; without a name that is a gap.
        """
        place = (asked.tenant, asked.environment)
        records = await self._products.live()
        there = sorted(record.product for record in records if (record.tenant, record.environment) == place)
        if name is not None and name not in there:
            raise ProductUnknown(
                f"there is no product {name!r} in {asked.environment}", hint=meant_or_known(name, there)
            )
        found = []
        for each in there if name is None else [name]:
            with gaps.of(each):
                found.append(await self._products.find(Place(asked.tenant, asked.environment, each)))
        return tuple(found)

    async def tables(self, products: Iterable[Product], gaps: Gaps) -> tuple[FoundTable, ...]:
        """All tables of products, by name.

        Raises:
            FloeError: the catalog of the product that `gaps` names cannot be asked; of another that is a gap.
        """

        async def below(product: Product) -> list[FoundTable]:
            names: set[str] = set()
            with gaps.of(product.place.product):
                names = await self.ask(product, partial(_names, product), f"the tables of {product.place}")
            return [FoundTable(product, name) for name in names]

        found = await at_most(below(product) for product in products)
        return tuple(sorted((table for tables in found for table in tables), key=lambda table: table.identifier))

    async def table(self, asked: Asked[Any], name: str, product: str | None) -> FoundTable:
        """The table that a request names.

        Raises:
            TableUnknown: no table is called so.
            TableAmbiguous: several are.
            ProductUnknown: the product that it is to be of does not live there.
            FloeError: the catalog that it is in cannot be asked.
        """
        gaps = Gaps(product)
        products = await self.products(asked, product, gaps)
        tables = {NamedTable(each.identifier, each.place): each for each in await self.tables(products, gaps)}
        away = [each for each in products if gaps.failure(each.place.product)]
        # What they declare is known from their artifacts: a name must not mean another table while a catalog is away.
        declared = (NamedTable(identifier, each.place) for each in away for identifier in each.tables)
        try:
            meant = find_named({*tables, *declared}, name)
        except TableUnknown as error:
            for each in away:
                if each.owns(name) and (failure := gaps.failure(each.place.product)):
                    raise failure from None
            if not tables:
                gaps.check()
            if left := str(gaps):
                raise TableUnknown(f"{error.message} where it could be looked for; {left}", hint=error.hint) from None
            raise
        if failure := gaps.failure(meant.place.product):
            raise failure
        return tables[meant]

    async def asked_table(self, asked: Asked[Any]) -> FoundTable:
        """The table that a `TableRequest` names; raises what `table` raises."""
        request: TableRequest = asked.request
        return await self.table(asked, request.table, request.product)

    async def ask(self, product: Product, function: Callable[[Catalog], T], what: str) -> T:
        """What `function` returns for the catalog of a product's environment; it blocks, and runs in a thread.

        Raises:
            CatalogUnreachable: the catalog does not answer.
            FloeError: what the function raises.
        """
        return await self._calls.run(product.place, product.environment, function, what=what)

    async def look(self, found: FoundTable, function: Callable[[Table], T]) -> T:
        """What `function` returns for a table as it is now; it blocks, and runs in a thread.

        Raises:
            TableUnknown: the table is gone.
            CatalogUnreachable: the catalog does not answer.
            FloeError: what the function raises.
        """
        return await self.ask(found.product, partial(_look, found, function), f"the table {found.identifier}")


async def at_most(work: Iterable[Coroutine[Any, Any, T]], at_once: int = _AT_ONCE) -> list[T]:
    """The results of all, in order; only a few run at the same time."""
    turns = asyncio.Semaphore(at_once)

    async def one(each: Coroutine[Any, Any, T]) -> T:
        async with turns:
            return await each

    return await asyncio.gather(*(one(each) for each in work))


def _names(product: Product, catalog: Catalog) -> set[str]:
    """The tables of a product: those below its namespace, and those that dbt itself writes elsewhere."""
    listed = set(listed_tables(catalog, product_namespace(product.place)))
    attached = {table.identifier: table.levels for table in product.tables.values() if table.attached}
    elsewhere = {name for name, levels in attached.items() if name not in listed and find_table(catalog, levels)}
    return listed | elsewhere


def _look(found: FoundTable, function: Callable[[Table], T], catalog: Catalog) -> T:
    table = find_table(catalog, found.levels)
    if table is None:
        raise TableUnknown(f"the table {found.identifier} is gone")
    return function(table)
