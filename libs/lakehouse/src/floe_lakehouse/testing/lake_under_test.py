"""A catalog whose behaviour is tested, and a product that lands tables in it."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier
from typing import Any

import duckdb
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.duckdb_files import DuckDBTable
from floe_lakehouse.identifiers import Identifier
from floe_lakehouse.landing import LandedTable, switch_table
from floe_lakehouse.staged import LandingRequest, StagedTable
from floe_lakehouse.staging import stage_table


@dataclass(slots=True)
class LakeUnderTest:
    """What the behaviour suite works with; every one has a product of its own, since catalogs may outlive a test.

    Attributes:
        properties: what `open_catalog` takes.
        folder: for DuckDB files.
        catalog: an opened handle.
        namespace: of the product's tables: tenant, environment, product, schema.
    """

    properties: Mapping[str, str] = field(repr=False)
    folder: Path
    catalog: Catalog = field(init=False)
    namespace: Identifier = field(init=False)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1), repr=False)

    def __post_init__(self) -> None:
        """Open the catalog."""
        self.catalog = self.another_handle()
        self.namespace = ("acme", "dev", f"shop_{uuid.uuid4().hex[:12]}", "main")

    @property
    def orders(self) -> Identifier:
        """The table that most tests land."""
        return (*self.namespace, "orders")

    def another_handle(self) -> Catalog:
        """The catalog as another process opens it."""
        return open_catalog(self.properties)

    def stage(
        self, query: str, *, run_id: str | None = None, identifier: Identifier | None = None, **request: Any
    ) -> StagedTable:
        """Build the rows of a query in a DuckDB file, and stage them."""
        number = next(self._numbers)
        database = self.folder / f"built_{number}.duckdb"
        with duckdb.connect(database) as connection:
            connection.execute(f"CREATE TABLE orders AS {query}")
        landing = LandingRequest(
            source=DuckDBTable(database, "main", "orders"),
            identifier=identifier or self.orders,
            run_id=run_id or f"run-{number}",
            attempt=1,
            **request,
        )
        return stage_table(self.catalog, landing)

    def switch(
        self, staged: StagedTable, *, sequence: int | None = None, catalog: Catalog | None = None
    ) -> LandedTable:
        """Switch under a fence that always holds, with the next token if none is given."""
        token = next(self._numbers) if sequence is None else sequence
        return switch_table(
            catalog or self.catalog, staged, sequence=token, properties={}, fence=lambda: None, tries=60
        )

    def land(self, query: str, **request: Any) -> LandedTable:
        """Stage and switch; `request` are fields of `LandingRequest`."""
        return self.switch(self.stage(query, **request))

    def table(self) -> Table:
        """The orders, as a handle of their own finds them."""
        return self.another_handle().load_table(self.orders)

    def rows(self, snapshot_id: int | None = None) -> list[tuple[Any, ...]]:
        """The orders that a reader gets, sorted."""
        read = self.table().scan(snapshot_id=snapshot_id).to_arrow().to_pylist()
        return sorted((tuple(row.values()) for row in read), key=repr)


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """The results of calls that begin at the same moment, in a thread each."""
    barrier = Barrier(len(calls))

    def call(function: Callable[[], Any]) -> Any:
        barrier.wait()
        return function()

    with ThreadPoolExecutor(len(calls)) as threads:
        return [future.result() for future in [threads.submit(call, function) for function in calls]]
