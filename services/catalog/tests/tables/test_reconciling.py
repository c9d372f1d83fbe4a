"""What nobody told is told: by writers outside of floe, by processes that died, about tables that came and went."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from pyiceberg.table import Table

from floe_chassis.testing import eventually
from floe_lakehouse.testing.other_engine import duckdb_with_catalog

pytestmark = pytest.mark.bus

SCHEMA = "default.dev.shop-orders.main"
ORDERS = (SCHEMA, "orders")
BOTH = pytest.mark.parametrize("profile", ["sql", "rest"], indirect=True)


def rows(*ids: int) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64())})


async def kinds(told) -> list[str]:
    return [received.event.kind.removeprefix("table.") for received in await told()]


async def told_so(told, *expected: str) -> bool:
    found = await kinds(told)
    assert len(found) <= len(expected), found
    return found == list(expected)


@BOTH
async def test_every_commit_of_another_writer_is_told_in_order(
    profile, service, bus, compiled, lake, land, told
) -> None:
    await bus.publish(compiled(), id="c1")
    landed = land("run-1")
    await eventually(lambda: told_so(told, "created", "committed"))
    for number in range(3):
        lake.load_table(ORDERS).append(rows(10 + number))
    await eventually(lambda: told_so(told, "created", *["committed"] * 4))
    commits = [received.event for received in await told("committed")]
    assert [commit.run_id for commit in commits] == ["run-1", None, None, None]
    assert [commit.rows for commit in commits] == [3, 4, 5, 6]
    assert [commit.parent_snapshot_id for commit in commits[1:]] == [commit.snapshot_id for commit in commits[:-1]]
    assert {commit.table_uuid for commit in commits} == {landed.table_uuid}


@pytest.mark.parametrize("profile", ["rest"], indirect=True)
async def test_duckdb_is_seen_when_it_writes(profile, service, bus, compiled, lake, land, told, attached) -> None:
    await bus.publish(compiled(), id="c1")
    land("run-1")
    await eventually(lambda: told_so(told, "created", "committed"))
    attached.execute(f'insert into lake."{SCHEMA}".orders values (99)')
    await eventually(lambda: told_so(told, "created", "committed", "committed"))
    received = (await told("committed"))[-1]
    snapshot = lake.load_table(ORDERS).current_snapshot()
    assert (received.event.snapshot_id, received.event.operation) == (snapshot.snapshot_id, "append")
    assert received.event.rows == 4


@pytest.fixture
def attached(rest_server) -> Iterator[duckdb.DuckDBPyConnection]:
    """The lake as a DuckDB process outside of floe has it."""
    with duckdb_with_catalog(rest_server.url, rest_server.client_id, rest_server.client_secret) as connection:
        yield connection


async def test_what_was_committed_while_nobody_listened_is_told(
    bus, running, environment, compiled, land, told
) -> None:
    """A process that dies between a commit and its event leaves just this behind."""
    async with running(environment):
        await bus.publish(compiled(), id="c1")
        land("run-1")
        await eventually(lambda: told_so(told, "created", "committed"))
    land("run-2")
    land("run-3")
    assert await kinds(told) == ["created", "committed"]
    async with running(environment):
        await eventually(lambda: told_so(told, "created", *["committed"] * 3))


async def test_a_declared_table_that_cannot_be_read_hides_no_other(service, bus, compiled, node, lake, told) -> None:
    await bus.publish(compiled(nodes=(node("orders", "id: bigint"),)), id="c1")
    await eventually(lambda: is_created(told, ".".join(ORDERS)))
    spoil(lake.load_table(ORDERS))
    changed = compiled(nodes=(node("orders", "id: bigint", "note: text"),), version="1.1.0")
    await bus.publish(changed, id="c2")
    lake.create_table((SCHEMA, "notes"), schema=rows(1).schema)
    await eventually(lambda: is_created(told, f"{SCHEMA}.notes"))


async def is_created(told, identifier: str) -> bool:
    return identifier in {received.event.identifier for received in await told("created")}


def spoil(table: Table) -> None:
    """Make a table's metadata unreadable."""
    Path(table.metadata_location.removeprefix("file://")).write_text("rubbish")


async def test_tables_of_others_below_the_namespace_are_told_of(service, bus, compiled, lake, told, states) -> None:
    await bus.publish(compiled(), id="c1")
    await eventually(lambda: lake.namespace_exists(("default", "dev", "shop-orders")))
    for name in ("default.dev.shop-orders.deep.down", "default.dev.shop-orders-2.main", "default.dev"):
        lake.create_namespace_if_not_exists(name)
        lake.create_table((name, "notes"), schema=rows(1).schema)
    (created,) = await eventually(told)
    assert created.event.identifier == "default.dev.shop-orders.deep.down.notes"
    lake.load_table(("default.dev.shop-orders.deep.down", "notes")).append(rows(1, 2))
    await eventually(lambda: told_so(told, "created", "committed"))
    lake.drop_table(("default.dev.shop-orders.deep.down", "notes"))
    await eventually(lambda: told_so(told, "created", "committed", "dropped"))
    dropped = (await told("dropped"))[0].event
    assert dropped.last_snapshot_id == (await told("committed"))[0].event.snapshot_id

    async def forgotten() -> bool:
        return await states() == ()

    await eventually(forgotten)


async def test_taking_a_table_back_and_forth_is_told_each_time(service, bus, compiled, lake, land, told) -> None:
    await bus.publish(compiled(), id="c1")
    first, second = land("run-1").snapshot_id, land("run-2").snapshot_id
    await eventually(lambda: told_so(told, "created", "committed", "committed"))
    seen = [first, second]
    for current in (first, second, first):
        lake.load_table(ORDERS).manage_snapshots().set_current_snapshot(snapshot_id=current).commit()
        seen.append(current)
        await eventually(lambda: told_so(told, "created", *["committed"] * len(seen)))
    commits = [received.event for received in await told("committed")]
    assert [commit.snapshot_id for commit in commits] == seen
    assert [commit.parent_snapshot_id for commit in commits[2:]] == [second, first, second]


async def test_two_replicas_tell_everything_once(bus, running, environment, compiled, land, completed, told) -> None:
    async with running(environment), running(environment):
        await bus.publish(compiled(), id="c1")
        for number in range(1, 4):
            tables = [land(f"run-{number}", table) for table in ("orders", "customers")]
            await bus.publish(completed(f"run-{number}", *tables), id=f"run-{number}")
        await eventually(lambda: _so_many(told, "committed", 6))
    assert len(await told("created")) == 2
    assert len({received.attributes.id for received in await told()}) == 8


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that lets everybody connect and answers nobody."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def test_a_catalog_that_does_not_answer_holds_up_nobody_else(
    bus, running, environment, compiled, land, told, silent
) -> None:
    away = compiled(product="away", nodes=())
    artifact = away.artifact
    for place in artifact["environments"].values():
        place["compute"] = {"name": "warehouse", "type": "postgres", "threads": 1}
        place["catalog"] = {"name": "away", "type": "rest", "properties": {"uri": silent, "warehouse": "lake"}}
    away = compiled(product="away", profile=artifact["environments"]["dev"])
    async with running(environment | {"FLOE_CATALOG_CALL_SECONDS": "5"}):
        for number in range(6):  # as many as could occupy everybody
            await bus.publish(away, id=f"away {number}")
        await bus.publish(compiled(), id="c1")
        land("run-1")
        await eventually(lambda: told_so(told, "created", "committed"), timeout=25)


async def _so_many(told, kind: str, count: int) -> bool:
    found = await told(kind)
    assert len(found) <= count
    return len(found) == count
