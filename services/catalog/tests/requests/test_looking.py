"""Looking at namespaces, tables and snapshots."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pyiceberg.catalog import Catalog

from floe_catalog.errors import ProductUnknown, TableAmbiguous, TableUnknown
from floe_chassis.bus import Bus
from floe_chassis.errors import RequestRefused
from floe_chassis.testing import eventually
from floe_contracts.catalog_requests import (
    DESCRIBE_TABLE,
    DIFF_SNAPSHOTS,
    LIST_NAMESPACES,
    LIST_SNAPSHOTS,
    LIST_TABLES,
    DescribeTable,
    DiffSnapshots,
    ListNamespaces,
    ListSnapshots,
    ListTables,
    TableList,
)
from floe_contracts.events import LandedTable
from floe_contracts.nodes import Node

Asking = Callable[..., Awaitable[Any]]
Known = Callable[..., Awaitable[None]]
Land = Callable[..., LandedTable]


async def refused(asking: Awaitable[Any]) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        await asking
    return caught.value


async def test_namespaces_tell_whose_they_are_and_how_many_tables_stand_in_them(
    asking: Asking, known: Known, land: Land, digest: str
) -> None:
    await known()
    land("r1", "orders")
    land("r1", "customers")
    answer = await asking(LIST_NAMESPACES, ListNamespaces(product="shop-orders"))
    found = {one.namespace: one for one in answer.namespaces}
    assert list(found) == ["default.dev.shop-orders", "default.dev.shop-orders.main"]
    assert [one.tables for one in answer.namespaces] == [0, 2]
    properties = found["default.dev.shop-orders"].properties
    assert (properties["owner"], properties["floe.artifact-digest"]) == ("shop@example.com", digest)


async def test_tables_tell_what_they_hold_by_their_own_account(
    asking: Asking, known: Known, land: Land, lake: Catalog
) -> None:
    await known()
    orders, customers = land("r1", "orders", rows=5), land("r1", "customers", rows=2)
    land("r2", "orders", rows=7)
    answer: TableList = await asking(LIST_TABLES, ListTables())
    assert [one.identifier for one in answer.tables] == [customers.identifier, orders.identifier]
    for one in answer.tables:
        table = lake.load_table(tuple(one.identifier.split(".")))
        assert one.snapshot is not None
        assert one.snapshot.snapshot_id == table.metadata.current_snapshot_id
        assert one.snapshot.rows == table.scan().to_arrow().num_rows
    assert [one.snapshot.run_id for one in answer.tables if one.snapshot] == ["r1", "r2"]


async def test_another_tenants_and_environments_tables_are_not_there(asking: Asking, known: Known, land: Land) -> None:
    """Not even by their whole name: what a request says in its body leads nowhere else."""
    await known()
    await known(product="theirs", tenant="acme")
    orders = land("r1", "orders")
    assert (await asking(LIST_TABLES, ListTables(), tenant="acme")).tables == ()
    assert (await asking(LIST_TABLES, ListTables(), environment="prod")).tables == ()
    request = DescribeTable(table=orders.identifier)
    for place in ({"tenant": "acme"}, {"tenant": "nobody"}, {"environment": "prod"}):
        error = await refused(asking(DESCRIBE_TABLE, request, **place))
        assert error.problem.code == TableUnknown.code
    error = await refused(asking(DESCRIBE_TABLE, DescribeTable(table="orders", product="shop-orders"), tenant="acme"))
    assert error.problem.code == ProductUnknown.code


@pytest.mark.parametrize("name", ["orders", "main.orders", "default.dev.shop-orders.main.orders"])
async def test_a_table_is_found_by_any_end_of_its_name(asking: Asking, known: Known, land: Land, name: str) -> None:
    await known()
    orders = land("r1", "orders")
    land("r1", "old_orders")
    assert (await asking(DESCRIBE_TABLE, DescribeTable(table=name))).identifier == orders.identifier


async def test_a_name_that_is_not_clear_is_refused_with_what_was_meant(
    asking: Asking, known: Known, land: Land
) -> None:
    await known()
    await known(product="returns")
    land("r1", "orders")
    land("r2", "orders", product="returns")
    error = await refused(asking(DESCRIBE_TABLE, DescribeTable(table="ordres")))
    assert (error.problem.code, error.problem.hint) == (TableUnknown.code, "did you mean 'orders'?")
    error = await refused(asking(DESCRIBE_TABLE, DescribeTable(table="orders")))
    assert error.problem.code == TableAmbiguous.code
    assert "default.dev.returns.main.orders, default.dev.shop-orders.main.orders" in error.problem.message
    described = await asking(DESCRIBE_TABLE, DescribeTable(table="orders", product="returns"))
    assert described.product == "returns"
    error = await refused(asking(LIST_TABLES, ListTables(product="retruns")))
    assert (error.problem.code, error.problem.hint) == (ProductUnknown.code, "did you mean 'returns'?")


async def test_a_description_is_what_the_table_says_of_itself(
    bus: Bus,
    asking: Asking,
    known: Known,
    land: Land,
    lake: Catalog,
    completed: Callable[..., Any],
    node: Callable[..., Node],
) -> None:
    await known(nodes=(node("orders", "id: varchar", "note: varchar", enforced=False),))
    landed = land("r1", "orders", select="range as id, range % 2 = 0 as even")
    await bus.publish(completed("r1", landed), id="r1")

    async def drifted() -> Any:
        described = await asking(DESCRIBE_TABLE, DescribeTable(table="orders"))
        return described if described.drift else None

    described = await eventually(drifted)
    table = lake.load_table(tuple(landed.identifier.split(".")))
    assert described.table_uuid == str(table.metadata.table_uuid) == landed.table_uuid
    assert described.location == table.location()
    assert [(column.name, column.type) for column in described.table_schema.columns] == [
        ("id", "long"),
        ("even", "boolean"),
    ]
    assert described.snapshot is not None
    assert described.snapshot.snapshot_id == landed.snapshot_id
    assert (described.snapshots, described.commits_since_maintenance) == (len(table.metadata.snapshots), 1)
    assert {(one.kind, one.column) for one in described.drift} >= {("missing_column", "note"), ("type", "id")}
    assert described.maintenance.after_commits == 20


async def test_snapshots_come_newest_first_with_their_runs_and_names(
    asking: Asking, known: Known, land: Land, lake: Catalog
) -> None:
    await known()
    landed = [land(f"r{number}", "orders", rows=number) for number in (1, 2, 3)]
    table = lake.load_table(tuple(landed[0].identifier.split(".")))
    table.manage_snapshots().create_tag(landed[0].snapshot_id, "first").create_branch(
        landed[1].snapshot_id, "audit"
    ).commit()
    answer = await asking(LIST_SNAPSHOTS, ListSnapshots(table="orders", limit=2))
    assert answer.current_snapshot_id == landed[2].snapshot_id
    assert [one.snapshot_id for one in answer.snapshots] == [landed[2].snapshot_id, landed[1].snapshot_id]
    assert answer.total == len(table.metadata.snapshots)
    everything = await asking(LIST_SNAPSHOTS, ListSnapshots(table="orders"))
    named = {one.run_id: (one.tags, one.branches, one.rows) for one in everything.snapshots if one.run_id}
    assert named == {"r1": (("first",), (), 1), "r2": ((), ("audit",), 2), "r3": ((), ("main",), 3)}


async def test_a_diff_tells_rows_files_and_columns(asking: Asking, known: Known, land: Land) -> None:
    await known()
    first = land("r1", "orders", rows=3)
    second = land("r2", "orders", rows=5, select="range as id, 'x' as note")
    answer = await asking(DIFF_SNAPSHOTS, DiffSnapshots(table="orders", before="run:r1", after="run:r2"))
    assert (answer.before.snapshot_id, answer.after.snapshot_id) == (first.snapshot_id, second.snapshot_id)
    assert (answer.before.rows, answer.after.rows) == (3, 5)
    assert [column.name for column in answer.columns_added] == ["note"]
    assert (answer.columns_removed, answer.columns_changed) == ((), ())
    assert (answer.files_added, answer.files_removed) == (1, 1)
    assert (answer.rows_in_added_files, answer.rows_in_removed_files) == (5, 3)
