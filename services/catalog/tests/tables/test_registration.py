"""Declared tables: in the catalog before a run has built them, and compared with what is declared."""

from __future__ import annotations

from typing import Any

import pytest
from pyiceberg.exceptions import NoSuchTableError

from floe_chassis.leases import Lease
from floe_chassis.testing import eventually
from floe_contracts.events import NodeOutcome, TableDrift

pytestmark = pytest.mark.bus

NAMESPACE = ("default", "dev", "shop-orders", "main")
BOTH = pytest.mark.parametrize("profile", ["sql", "rest"], indirect=True)


def table_of(lake, name: str = "orders") -> Any:
    try:
        return lake.load_table((*NAMESPACE, name))
    except NoSuchTableError:
        return None


def columns_of(table) -> dict[str, str]:
    return {field.name: str(field.field_type) for field in table.schema().fields}


async def drifts(told) -> list[list[str]]:
    """The kinds of differences of every comparison that was told."""
    return [[each.kind for each in received.event.drift] for received in await told("checked")]


@BOTH
async def test_a_declared_table_is_there_before_any_run(profile, service, bus, compiled, node, lake, told) -> None:
    orders = node(
        "orders", "id: bigint", "amount: numeric(10, 2)", "name: text", "at: timestamp", partition_by=("day(at)",)
    )
    await bus.publish(compiled(nodes=(orders,)), id="c1")
    table = await eventually(lambda: table_of(lake))
    assert columns_of(table) == {"id": "long", "amount": "decimal(10, 2)", "name": "string", "at": "timestamp"}
    assert [(field.name, str(field.transform)) for field in table.spec().fields] == [("at_day", "day")]
    assert table.current_snapshot() is None
    dev, prod = await eventually(lambda: at_least(told, 2))
    assert {dev.event.environment, prod.event.environment} == {"dev", "prod"}
    assert dev.event.table_schema.partition_by == ("day(at)",)
    assert await drifts(told) == []


@BOTH
@pytest.mark.parametrize(
    "landing",
    [{}, {"mode": "upsert", "unique_key": ("id",)}, {"mode": "append", "watermark": "id"}],
    ids=["replace", "upsert", "append"],
)
async def test_the_first_landing_finds_it_as_it_would_have_made_it(
    profile, service, bus, compiled, node, lake, land, completed, committed, told, landing
) -> None:
    await bus.publish(compiled(nodes=(node("orders", "id: bigint", "kind: text", partition_by=("kind",)),)), id="c1")
    made = await eventually(lambda: table_of(lake))
    before = made.schema(), made.spec(), made.location(), made.properties
    table = land("run-1", select="range as id, 'x' as kind", rows=4, partition_by=("kind",), **landing)
    await bus.publish(completed("run-1", table), id="run-1")
    (received,) = await eventually(lambda: at_least(committed, 1))
    assert (received.event.rows, received.event.table_uuid) == (4, str(made.metadata.table_uuid))
    landed = table_of(lake)
    assert (landed.schema(), landed.spec(), landed.location()) == before[:3]
    assert before[3].items() <= landed.properties.items()
    assert [received.event.kind for received in await told("schema-changed")] == []
    land("run-2", select="range as id, 'x' as kind", rows=9, partition_by=("kind",), **landing)
    assert table_of(lake).scan().count() == 9


@pytest.mark.parametrize(
    ("columns", "more"),
    [
        (("id: bigint",), {"enforced": False}),
        (("id: bigint", "name"), {}),
        (("id: mood",), {}),
        (("id: interval",), {"materialized": "view"}),
    ],
    ids=["not enforced", "a type is missing", "an unknown type", "not landed"],
)
async def test_a_table_that_is_not_wholly_declared_is_left_to_its_run(
    service, bus, compiled, node, lake, settled, columns, more
) -> None:
    other = node("other", *columns).model_copy(update={k: v for k, v in more.items() if k != "enforced"})
    if "enforced" in more:
        other = other.model_copy(update={"contract_enforced": False})
    await bus.publish(compiled(nodes=(other, node("orders", "id: bigint"))), id="c1")
    await eventually(lambda: table_of(lake))
    await eventually(lambda: settled("FLOE_ARTIFACTS", "catalog"))
    assert table_of(lake, "other") is None


@BOTH
async def test_a_table_is_evolved_ahead_of_the_run(
    profile, service, bus, compiled, node, lake, land, told, settled
) -> None:
    await bus.publish(compiled(nodes=(node("orders", "id: integer"),)), id="c1")
    await eventually(lambda: settled("FLOE_ARTIFACTS", "catalog"))
    land("run-1", select="range::int as id")
    wider = node("orders", "id: bigint", "name: text", partition_by=("bucket[4](id)",))
    await bus.publish(compiled(version="2", nodes=(wider,)), id="c2")
    await eventually(lambda: columns_of(table_of(lake)) == {"id": "long", "name": "string"})
    assert [str(field.transform) for field in table_of(lake).spec().fields] == ["bucket[4]"]
    changes = await eventually(lambda: at_least(lambda: told("schema-changed"), 2))
    change = next(received.event for received in changes if received.event.environment == "dev")
    assert [column.type for column in change.before.columns] == ["int"]
    assert [column.type for column in change.after.columns] == ["long", "string"]
    assert change.after.partition_by == ("bucket[4](id)",)
    assert table_of(lake).scan().count() == 3
    land("run-2", select="range as id, 'x' as name", partition_by=("bucket[4](id)",))
    assert table_of(lake).scan().count() == 3


async def test_what_would_break_readers_is_told_and_not_done(
    service, bus, compiled, node, lake, land, completed, told
) -> None:
    land("run-1", select="range as id, 'x' as name")
    narrower = node("orders", "id: integer", "at: date")
    await bus.publish(compiled(nodes=(narrower,), source=None), id="c1")
    (received,) = await eventually(lambda: at_least(lambda: told("checked"), 1))
    assert received.event.drift == (
        TableDrift(kind="type", column="id", declared="int", found="long"),
        TableDrift(kind="missing_column", column="at", declared="date"),
        TableDrift(kind="extra_column", column="name", found="string"),
    )
    assert received.event.unique_id == "model.shop.orders"
    assert columns_of(table_of(lake)) == {"id": "long", "name": "string"}

    lake.drop_table((*NAMESPACE, "orders"))
    table = land("run-2", select="range::int as id, date '2026-01-01' as at")
    await bus.publish(completed("run-2", table), id="run-2")
    await eventually(lambda: drift_is(told, ()))


async def test_a_run_at_work_is_not_disturbed(
    service, bus, bus_settings, compiled, node, lake, land, told, settled
) -> None:
    await bus.publish(compiled(nodes=(node("orders", "id: integer"),)), id="c1")
    await eventually(lambda: settled("FLOE_ARTIFACTS", "catalog"))
    run = await Lease.acquire(bus, bus_settings, "default.dev.shop-orders")
    await bus.publish(compiled(version="2", nodes=(node("orders", "id: bigint"),)), id="c2")
    await eventually(lambda: last_drift(told))
    assert columns_of(table_of(lake)) == {"id": "int"}
    await run.release()
    await eventually(lambda: columns_of(table_of(lake)) == {"id": "long"})
    await eventually(lambda: drift_is(told, ()))


async def test_a_table_that_its_run_did_not_land_is_missed(
    service, bus, compiled, node, completed, told, settled
) -> None:
    event = compiled(nodes=(node("orders", "id: bigint", enforced=False),))
    await bus.publish(event, id="c1")
    await eventually(lambda: settled("FLOE_ARTIFACTS", "catalog"))
    built = NodeOutcome(unique_id="model.shop.orders", status="success", seconds=1.0)
    run = completed("run-1", nodes=(built,), artifact_digest=event.artifact_digest)
    await bus.publish(run, id="run-1")
    (received,) = await eventually(lambda: at_least(lambda: told("checked"), 1))
    assert [each.kind for each in received.event.drift] == ["missing_table"]
    assert received.event.identifier == "default.dev.shop-orders.main.orders"


async def test_a_table_that_somebody_dropped_is_missed_until_it_is_back(
    service, bus, compiled, node, lake, land, told
) -> None:
    await bus.publish(compiled(nodes=(node("orders", "id: bigint", enforced=False),)), id="c1")
    land("run-1")
    await eventually(lambda: at_least(lambda: told("committed"), 1))
    lake.drop_table((*NAMESPACE, "orders"))
    await eventually(lambda: drift_is(told, (TableDrift(kind="missing_table"),)))
    land("run-2")
    await eventually(lambda: drift_is(told, ()))


async def last_drift(told) -> tuple[TableDrift, ...] | None:
    found = [received.event for received in await told("checked") if received.event.environment == "dev"]
    return found[-1].drift if found else None


async def drift_is(told, drift: tuple[TableDrift, ...]) -> bool:
    return await last_drift(told) == drift


async def at_least(told, count: int) -> list:
    found = await told()
    return found if len(found) >= count else []
