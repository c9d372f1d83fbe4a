"""Completed runs: what their tables bear out is told, nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from floe_chassis.testing import eventually
from floe_contracts.cloudevents import Attributes, encode

pytestmark = pytest.mark.bus


async def test_every_landed_table_is_told_of_with_its_own_figures(
    service, bus, land, completed, committed, lake, settled
) -> None:
    before = land("run-0", "orders", rows=1)
    tables = [land("run-1", "orders", rows=5), land("run-1", "customers", rows=2)]
    await bus.publish(completed("run-1", *tables), id="run-1")
    events = await eventually(lambda: _so_many(committed, 2))
    assert [received.event.identifier for received in events] == [table.identifier for table in tables]
    event, attributes = events[0].event, events[0].attributes
    snapshot = lake.load_table(tuple(event.identifier.split("."))).current_snapshot()
    assert event.model_dump() == {
        "tenant": "default",
        "environment": "dev",
        "product": "shop-orders",
        "identifier": "default.dev.shop-orders.main.orders",
        "table_uuid": tables[0].table_uuid,
        "snapshot_id": snapshot.snapshot_id,
        "parent_snapshot_id": snapshot.parent_snapshot_id,
        "operation": snapshot.summary.operation.value,
        "rows": 5,
        "files": tables[0].files,
        "bytes": tables[0].bytes,
        "run_id": "run-1",
        "artifact_digest": "sha256:" + "a" * 64,
    }
    assert event.snapshot_id != before.snapshot_id
    assert attributes.id == f"{event.table_uuid}:{event.snapshot_id}"
    assert attributes.causeid == "run-1"
    await eventually(lambda: settled("FLOE_EVENTS", "catalog-runs"))


async def test_a_table_is_told_of_once_however_often_the_run_is(
    service, bus, land, completed, committed, settled
) -> None:
    run = completed("run-1", land("run-1"))
    await bus.publish(run, id="run-1")
    await bus.publish(run, id="run-1 by somebody else")
    await eventually(lambda: settled("FLOE_EVENTS", "catalog-runs"))
    assert len(await committed()) == 1


async def test_an_older_run_is_told_of_though_a_newer_one_has_landed(service, bus, land, completed, committed) -> None:
    older = land("run-1", rows=3)
    land("run-2", rows=9)
    await bus.publish(completed("run-1", older), id="run-1")
    (received,) = await eventually(lambda: _so_many(committed, 1))
    assert (received.event.rows, received.event.snapshot_id) == (3, older.snapshot_id)


async def test_a_snapshot_that_comes_late_is_waited_for(service, bus, land, completed, committed, dead_letters) -> None:
    table = land("run-1")
    later = table.model_copy(update={"snapshot_id": table.snapshot_id + 1})
    await bus.publish(completed("run-1", table, later), id="run-1")
    await eventually(lambda: _so_many(committed, 1))  # what is there is told at once
    letters = await eventually(dead_letters, timeout=20)
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
    assert [received.event.identifier for received in await committed()] == [right.identifier]


async def test_a_snapshot_of_another_run_is_not_told_of(service, bus, land, completed, committed, dead_letters) -> None:
    await bus.publish(completed("run-2", land("run-1")), id="run-2")
    (letter,) = await eventually(dead_letters)
    assert "run is run-1, not run-2" in letter.headers["Floe-Dlq-Reason"]
    assert await committed() == []


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


async def _so_many(committed, count: int) -> list:
    found = await committed()
    assert len(found) <= count
    return found if len(found) == count else []
