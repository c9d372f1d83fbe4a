"""Completed runs: what their tables bear out is told, nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from floe_catalog.errors import EnvironmentUnknown
from floe_chassis.testing import eventually
from floe_contracts.cloudevents import Attributes, encode
from floe_contracts.events import LandedTable

pytestmark = pytest.mark.bus


async def test_every_landed_table_is_told_of_with_its_own_figures(
    service, bus, land, completed, committed, lake, settled, digest
) -> None:
    tables = [land("run-1", "orders", rows=5), land("run-1", "customers", rows=2)]
    await bus.publish(completed("run-1", *tables), id="run-1")
    events = await eventually(lambda: _so_many(committed, 2))
    assert {received.event.identifier for received in events} == {table.identifier for table in tables}
    received = next(received for received in events if received.event.identifier.endswith("orders"))
    event, attributes = received.event, received.attributes
    snapshot = lake.load_table(tuple(event.identifier.split("."))).current_snapshot()
    assert event.model_dump() == {
        "tenant": "default",
        "environment": "dev",
        "product": "shop-orders",
        "identifier": "default.dev.shop-orders.main.orders",
        "table_uuid": tables[0].table_uuid,
        "snapshot_id": snapshot.snapshot_id,
        "parent_snapshot_id": None,
        "operation": snapshot.summary.operation.value,
        "rows": 5,
        "files": tables[0].files,
        "bytes": tables[0].bytes,
        "delete_files": 0,
        "run_id": "run-1",
        "artifact_digest": digest,
        "committed_at": datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "maintenance": False,
    }
    assert attributes.id == f"{event.table_uuid}:{event.snapshot_id}"
    assert attributes.causeid == "run-1"
    await eventually(lambda: settled("FLOE_EVENTS", "catalog-runs"))


async def test_a_table_that_is_new_is_told_of_before_its_rows(service, bus, land, completed, told) -> None:
    table = land("run-1", select="range as id, 'x' as name", partition_by=("bucket[4](id)",))
    await bus.publish(completed("run-1", table), id="run-1")
    created, committed = await eventually(lambda: _so_many(told, 2))
    assert [created.event.kind, committed.event.kind] == ["table.created", "table.committed"]
    assert created.event.table_uuid == committed.event.table_uuid == table.table_uuid
    assert created.event.location.endswith("/default.dev.shop-orders.main/orders")
    schema = created.event.table_schema
    assert [(column.name, column.type, column.required) for column in schema.columns] == [
        ("id", "long", False),
        ("name", "string", False),
    ]
    assert schema.partition_by == ("bucket[4](id)",)


async def test_a_table_is_told_of_once_however_often_the_run_is(
    service, bus, land, completed, committed, settled
) -> None:
    run = completed("run-1", land("run-1"))
    await bus.publish(run, id="run-1")
    await bus.publish(run, id="run-1 by somebody else")
    await eventually(lambda: settled("FLOE_EVENTS", "catalog-runs"))
    assert len(await committed()) == 1


async def test_every_run_is_told_of_in_order_though_only_one_is_heard_of(
    service, bus, land, completed, committed, settled
) -> None:
    older = land("run-1", rows=3)
    newer = land("run-2", rows=9)
    await bus.publish(completed("run-1", older), id="run-1")
    events = [received.event for received in await eventually(lambda: _so_many(committed, 2))]
    assert [(event.run_id, event.rows) for event in events] == [("run-1", 3), ("run-2", 9)]
    assert [event.parent_snapshot_id for event in events] == [None, older.snapshot_id]
    await bus.publish(completed("run-2", newer), id="run-2")
    await eventually(lambda: settled("FLOE_EVENTS", "catalog-runs"))
    assert len(await committed()) == 2


async def test_columns_that_change_are_told_of(service, bus, land, completed, told) -> None:
    await bus.publish(completed("run-1", land("run-1")), id="run-1")
    await eventually(lambda: _so_many(told, 2))
    await bus.publish(completed("run-2", land("run-2", select="range as id, 'x' as name")), id="run-2")
    events = [received.event for received in await eventually(lambda: _so_many(told, 4))]
    assert [event.kind for event in events[2:]] == ["table.schema-changed", "table.committed"]
    names = [[column.name for column in schema.columns] for schema in (events[2].before, events[2].after)]
    assert names == [["id"], ["id", "name"]]


async def test_what_was_told_is_written_down(service, bus, land, completed, states, settled) -> None:
    land("run-1")
    table = land("run-2")
    await bus.publish(completed("run-2", table), id="run-2")
    (state,) = await eventually(states)
    assert (state.identifier, state.table_uuid) == (table.identifier, table.table_uuid)
    assert (state.snapshot_id, state.commits_since_maintenance) == (table.snapshot_id, 2)
    await eventually(lambda: settled("FLOE_EVENTS", "catalog-runs"))


async def test_a_snapshot_that_comes_late_is_waited_for(service, bus, land, completed, committed, dead_letters) -> None:
    table = land("run-1")
    later = table.model_copy(update={"snapshot_id": table.snapshot_id + 1})
    await bus.publish(completed("run-1", table, later), id="run-1")
    await eventually(lambda: _so_many(committed, 1))  # what is there is told at once
    letters = await eventually(dead_letters)
    assert letters[0].headers["Floe-Dlq-Code"] == "FLOE-CAT-001"
    assert letters[0].headers["Floe-Dlq-Deliveries"] == "5"


async def test_a_table_that_appears_between_two_deliveries_is_told_of(
    service, bus, land, completed, committed, lake, settled
) -> None:
    table = land("run-1")
    name, hidden = tuple(table.identifier.split(".")), ("default.dev.shop-orders.main", "elsewhere")
    lake.rename_table(name, hidden)
    await bus.publish(completed("run-1", table), id="run-1")

    async def delivered_twice() -> bool:
        info = await bus.js.consumer_info("FLOE_EVENTS", "catalog-runs")
        return info.delivered.consumer_seq >= 2

    await eventually(delivered_twice)
    lake.rename_table(hidden, ("default.dev.shop-orders.main", name[-1]))
    await eventually(lambda: _so_many(committed, 1))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rows": 99}, "rows is 3, not 99"),
        ({"files": 99}, "files is"),
        ({"bytes": 1}, "bytes is"),
        ({"table_uuid": "00000000-0000-0000-0000-000000000000"}, "has the uuid"),
        ({"identifier": "default.prod.shop-orders.main.orders"}, "is no table of shop-orders in dev"),
        ({"identifier": "default.dev.other.main.orders"}, "is no table of shop-orders in dev"),
        ({"identifier": "default.dev.shop-orders"}, "is no table of shop-orders in dev"),
    ],
)
async def test_a_claim_that_the_table_contradicts_is_a_dead_letter(
    service, bus, land, completed, committed, dead_letters, change, said
) -> None:
    right, wrong = land("run-1", "customers"), land("run-1", "orders").model_copy(update=change)
    await bus.publish(completed("run-1", wrong, right), id="run-1")
    (letter,) = await eventually(dead_letters)
    assert letter.headers["Floe-Dlq-Code"] == "FLOE-CAT-002"
    assert letter.headers["Floe-Dlq-Deliveries"] == "1"
    assert said in letter.headers["Floe-Dlq-Reason"]
    events = [received.event for received in await committed()]
    assert right.identifier in {event.identifier for event in events}
    # Whatever was claimed, what is told is what the tables show.
    assert {(event.rows, event.run_id) for event in events} == {(3, "run-1")}
    assert {event.environment for event in events} == {"dev"}


async def test_a_snapshot_of_another_run_is_told_of_as_what_it_is(
    service, bus, land, completed, committed, dead_letters
) -> None:
    await bus.publish(completed("run-2", land("run-1")), id="run-2")
    (letter,) = await eventually(dead_letters)
    assert "run is run-1, not run-2" in letter.headers["Floe-Dlq-Reason"]
    assert [received.event.run_id for received in await committed()] == ["run-1"]


async def test_nothing_is_told_of_somebody_elses_table(service, bus, land, completed, told, dead_letters) -> None:
    await bus.publish(completed("run-1", land("run-1", product="other")), id="run-1")
    (letter,) = await eventually(dead_letters)
    assert "is no table of shop-orders in dev" in letter.headers["Floe-Dlq-Reason"]
    assert await told() == []


async def test_an_environment_that_the_artifact_does_not_have_is_a_dead_letter(
    service, bus, completed, dead_letters
) -> None:
    await bus.publish(completed("run-1", environment="moon"), id="run-1")
    (letter,) = await eventually(dead_letters)
    assert letter.headers["Floe-Dlq-Code"] == EnvironmentUnknown.code


@pytest.mark.parametrize("profile", ["rest"], indirect=True)
async def test_a_table_that_dbt_has_written_itself_is_told_of(
    profile, service, bus, compiled, node, lake, completed, told, settled, dead_letters
) -> None:
    """With DuckDB on a REST catalog: no namespace of floe, and no mark of the run."""
    duckdb = {"name": "duckdb", "type": "duckdb", "threads": 2, "properties": {"memory_limit": "1GB"}}
    attached = node("orders", "id: bigint").model_copy(update={"database": "lake", "schema_name": "analytics"})
    event = compiled(nodes=(attached,), profile={**profile, "compute": duckdb})
    await bus.publish(event, id="c1")
    lake.create_namespace("analytics")
    table = lake.create_table(("analytics", "orders"), schema=pa.schema([("id", pa.int64())]))
    table.append(pa.table({"id": pa.array([1, 2], pa.int64())}))
    claim = LandedTable(
        identifier="analytics.orders",
        unique_id=attached.unique_id,
        table_uuid=str(table.metadata.table_uuid),
        snapshot_id=table.current_snapshot().snapshot_id,
        rows=2,
        files=1,
        bytes=1,
        mode="attached",
    )
    await bus.publish(completed("run-1", claim, artifact_digest=event.artifact_digest), id="run-1")
    _, committed = await eventually(lambda: _so_many(told, 2))
    assert (committed.event.identifier, committed.event.rows) == ("analytics.orders", 2)
    await eventually(lambda: settled("FLOE_EVENTS", "catalog-runs"))
    assert await dead_letters() == []


async def test_rubbish_is_a_dead_letter_and_blocks_nobody(
    service, bus, land, completed, committed, dead_letters
) -> None:
    good = completed("run-1", land("run-1"))
    await bus.publish_raw(good.subject(), b"rubbish", {}, "rubbish")
    await bus.publish(good, id="run-1")
    await eventually(lambda: _so_many(committed, 1))
    (letter,) = await eventually(dead_letters)
    assert letter.data == b"rubbish"


async def test_unknown_fields_of_a_newer_minor_are_ignored(service, bus, land, completed, committed) -> None:
    event = completed("run-1", land("run-1"))
    headers, body = encode(event, Attributes(id="run-1", source="floe/test", time=datetime.now(UTC)))
    document = json.loads(body)
    document["mood"] = "good"
    document["tables"][0]["colour"] = "blue"
    await bus.publish_raw(event.subject(), json.dumps(document).encode(), headers, "run-1")
    await eventually(lambda: _so_many(committed, 1))


async def _so_many(told, count: int) -> list:
    found = await told()
    assert len(found) <= count
    return found if len(found) == count else []
