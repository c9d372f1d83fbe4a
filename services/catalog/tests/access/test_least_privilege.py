"""The privileges that a product's services are granted are enough for their work, and for nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import ForbiddenError

from floe_catalog.tables.products import Product
from floe_catalog.testing.polaris_server import Polaris
from floe_contracts.catalog_access import GrantsAnswer, PrincipalCredentials
from floe_lakehouse.catalogs import ensure_namespace, open_catalog
from floe_lakehouse.duckdb_files import DuckDBTable
from floe_lakehouse.errors import CatalogRefused
from floe_lakehouse.history.references import tag_snapshot
from floe_lakehouse.history.rollback import rollback_table
from floe_lakehouse.landing import switch_table
from floe_lakehouse.maintenance.compaction import compact_table
from floe_lakehouse.maintenance.compaction_plans import CompactionOptions
from floe_lakehouse.maintenance.expiry import expire_snapshots
from floe_lakehouse.maintenance.orphan_files import remove_orphans
from floe_lakehouse.maintenance.retention import ExpiryOptions
from floe_lakehouse.staged import LandingRequest
from floe_lakehouse.staging import stage_table
from floe_lakehouse.testing.other_engine import duckdb_with_catalog

pytestmark = pytest.mark.filterwarnings("ignore:POST /v1/oauth/tokens is deprecated")  # says the client of itself
Ask = Callable[..., GrantsAnswer]
MakeProduct = Callable[..., Product]
As = Callable[..., Catalog]
OURS, THEIRS = ("acme", "prod", "orders"), ("acme", "prod", "customers")


@pytest.fixture
def as_(ask: Ask, product: MakeProduct, polaris: Polaris) -> As:
    """The catalog, as a service sees it once two products have their access."""
    told = [*ask(product(), apply=True).credentials, *ask(product(product="customers"), apply=True).credentials]
    credentials = {each.service: (each.client_id, each.client_secret) for each in told}

    def opened(service: str, product: str = "orders") -> Catalog:
        scope = f"PRINCIPAL_ROLE:floe.acme.prod.{product}.{service}"
        return open_catalog(polaris.properties(*credentials[service], scope))

    return opened


@pytest.fixture
def land(tmp_path: Path) -> Callable[..., None]:
    """Lands a table, as the executor does."""

    def run(catalog: Catalog, number: int = 1, product: tuple[str, ...] = OURS) -> None:
        database = tmp_path / f"built_{number}.duckdb"
        with duckdb.connect(database) as connection:
            connection.sql("select range as id from range(3)").create("orders")
        request = LandingRequest(
            source=DuckDBTable(database, "main", "orders"),
            identifier=(*product, "marts", "orders"),
            run_id=f"run-{number}",
            attempt=1,
        )
        switch_table(catalog, stage_table(catalog, request), sequence=number, properties={}, fence=lambda: None)

    return run


def test_the_executor_lands_and_does_no_more(as_: As, land: Callable[..., None], polaris: Polaris) -> None:
    executor = as_("executor")
    land(executor, 1)
    land(executor, 2)
    assert polaris.refused == []
    table = executor.load_table((*OURS, "marts", "orders"))
    assert table.scan().to_arrow().num_rows == 3
    for forbidden in (
        lambda: executor.drop_table((*OURS, "marts", "orders")),
        lambda: executor.drop_namespace((*OURS, "marts")),
        lambda: executor.update_namespace_properties(OURS, updates={"owner": "me"}),
        lambda: executor.create_namespace(("acme", "prod", "new")),
        lambda: executor.list_namespaces(),
    ):
        with pytest.raises(ForbiddenError):
            forbidden()
    with pytest.raises(CatalogRefused, match="customers"):
        land(executor, 3, THEIRS)


def test_a_token_for_one_product_is_good_for_no_other(as_: As, land: Callable[..., None]) -> None:
    land(as_("executor"), 1)
    with pytest.raises(ForbiddenError):
        as_("executor", "customers").load_table((*OURS, "marts", "orders"))


def test_cube_reads_and_does_no_more(as_: As, land: Callable[..., None], polaris: Polaris) -> None:
    land(as_("executor"), 1)
    reader = as_("semantic")
    assert reader.list_namespaces(OURS) == [(*OURS, "marts")]
    assert reader.list_tables((*OURS, "marts")) == [(*OURS, "marts", "orders")]
    table = reader.load_table((*OURS, "marts", "orders"))
    assert table.scan().to_arrow().num_rows == 3
    assert polaris.refused == []
    with pytest.raises(ForbiddenError), table.transaction() as change:
        change.set_properties(owner="me")
    with pytest.raises(ForbiddenError):
        reader.create_table((*OURS, "marts", "mine"), table.schema())
    with pytest.raises(ForbiddenError):
        reader.list_tables((*THEIRS, "marts"))


def test_the_catalog_service_keeps_tables_and_drops_none(as_: As, land: Callable[..., None], polaris: Polaris) -> None:
    land(as_("executor"), 1)
    land(as_("executor"), 2)
    keeper = as_("catalog")
    ensure_namespace(keeper, OURS, {"owner": "shop@acme"})
    table = keeper.load_table((*OURS, "marts", "orders"))
    keeper.create_namespace((*OURS, "staging"))
    keeper.create_table((*OURS, "staging", "declared"), table.schema())
    identifier, now = (*OURS, "marts", "orders"), int(time.time() * 1000) + 60_000
    first, last = (snapshot.snapshot_id for snapshot in table.snapshots())
    assert tag_snapshot(keeper, identifier, "kept", first, fence=_fence).outcome == "done"
    assert rollback_table(keeper, identifier, first, fence=_fence).snapshot_after == first
    assert tag_snapshot(keeper, identifier, "kept", first, remove=True, fence=_fence).outcome == "done"
    expired = expire_snapshots(keeper, identifier, ExpiryOptions(now, min_snapshots=1), fence=_fence)
    assert expired.snapshots_removed == (last,)
    assert expired.removed
    table = keeper.load_table(identifier)
    table.append(table.scan().to_arrow())
    assert compact_table(keeper, identifier, CompactionOptions(min_input_files=2), fence=_fence).files_after == 1
    assert remove_orphans(keeper, identifier, now, fence=_fence).outcome in {"done", "nothing_to_do"}
    assert keeper.load_table(identifier).scan().to_arrow().num_rows == 6
    assert polaris.refused == []
    for forbidden in (
        lambda: keeper.drop_table((*OURS, "marts", "orders")),
        lambda: keeper.drop_namespace((*OURS, "staging")),
        lambda: keeper.create_namespace(("another",)),
        lambda: keeper.list_tables(THEIRS),
    ):
        with pytest.raises(ForbiddenError):
            forbidden()


@pytest.mark.parametrize("service", ["executor", "semantic"])
def test_duckdb_writes_and_reads_an_attached_catalog(
    ask: Ask, product: MakeProduct, polaris: Polaris, service: str
) -> None:
    polaris.lake.catalog.create_namespace(("theirs",))
    attached = product(compute="duckdb", database="lake", schemas=("gold",))
    credentials = {each.service: each for each in ask(attached, apply=True).credentials}
    with _attached(polaris, credentials["executor"]) as executor:
        for statement in (
            "create schema if not exists lake.gold",
            "create table lake.gold.orders as select range as id from range(3)",
            "begin",
            "alter table lake.gold.orders add column note varchar",
            "delete from lake.gold.orders",
            "insert into lake.gold.orders by name (select range as id, 'new' as note from range(4))",
            "commit",
            "create temp table delta as select 2 as id, 'merged' as note",
            """merge into lake.gold.orders as old using delta on old.id = delta.id
               when matched then update set note = delta.note when not matched then insert *""",
        ):
            executor.execute(statement)
        listed = executor.execute(  # how dbt sees what there is; DuckDB looks at all namespaces for it
            """select table_schema, table_name from system.information_schema.tables
               where table_catalog = 'lake' and table_schema = 'gold'"""
        ).fetchall()
    assert listed == [("gold", "orders")]
    refused = {call.removeprefix("floe.acme.polaris.executor GET /v1/lake/namespaces/") for call in polaris.refused}
    assert refused == {"acme/tables", "theirs/tables"}
    polaris.refused.clear()
    with _attached(polaris, credentials[service]) as client:
        found = client.execute("select id, note from lake.gold.orders order by id").fetchall()
        assert found == [(0, "new"), (1, "new"), (2, "merged"), (3, "new")]
        assert polaris.refused == []
        forbidden = ["create schema lake.silver", "drop table lake.gold.orders"]
        if service == "semantic":
            forbidden += ["insert into lake.gold.orders values (5, 'x')", "create table lake.gold.mine (id int)"]
        for statement in forbidden:
            with pytest.raises(duckdb.Error, match=r"not authorized|403|Forbidden"):
                client.execute(statement)


@contextmanager
def _attached(polaris: Polaris, credentials: PrincipalCredentials) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB with the catalog attached, as dbt has it."""
    with duckdb_with_catalog(
        polaris.server.catalog_uri, credentials.client_id, credentials.client_secret, scope="PRINCIPAL_ROLE:ALL"
    ) as connection:
        yield connection


def _fence() -> None:
    """Nobody else holds the lease."""
