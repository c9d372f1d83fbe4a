"""Reading rows as they are and as they were."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from floe_catalog.adapters.snapshot_pins import SnapshotPins
from floe_chassis.bus import Bus
from floe_chassis.errors import RequestRefused
from floe_chassis.testing import eventually
from floe_chassis.topology import SNAPSHOT_PINS_BUCKET
from floe_contracts.catalog_requests import READ_TABLE, ReadTable, TableRows
from floe_contracts.events import LandedTable

Asking = Callable[..., Awaitable[Any]]
Known = Callable[..., Awaitable[None]]
Land = Callable[..., LandedTable]
Read = Callable[..., Awaitable[tuple[TableRows, bytes]]]

MANY_TYPES = """
range as id, (range * 1.5)::decimal(10, 2) as price, date '2024-02-29' + range::integer as day,
timestamp '2024-01-01 12:30:00' as moment, timestamptz '2024-01-01 12:30:00+00' as zoned, 'é' || range as name,
case when range = 1 then null else range end as sometimes, 'nan'::double as number, [range, range + 1] as list,
{'a': range, 'b': 'x'} as struct, map {'k': range} as pairs, 'bytes'::blob as raw, range % 2 = 0 as even
"""


@pytest.fixture
def read(asking: Asking) -> Read:
    async def rows(table: str = "orders", **request: Any) -> tuple[TableRows, bytes]:
        received = bytearray()
        answer = await asking(READ_TABLE, ReadTable(table=table, **request), on_data=received.extend)
        return answer, bytes(received)

    return rows


def lines(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines()]


def ids(data: bytes) -> list[int]:
    return sorted(row["id"] for row in lines(data))


async def test_rows_of_every_type_come_as_pyiceberg_reads_them(
    known: Known, land: Land, lake: Catalog, read: Read
) -> None:
    await known()
    landed = land("r1", "orders", select=MANY_TYPES)
    expected = lake.load_table(tuple(landed.identifier.split("."))).scan().to_arrow()
    answer, data = await read(form="arrow")
    arrow = pa.ipc.open_stream(io.BytesIO(data)).read_all()
    assert str(arrow.sort_by("id").to_pylist()) == str(expected.sort_by("id").to_pylist())  # a NaN is not itself
    assert (answer.rows, answer.complete, answer.columns) == (3, True, tuple(expected.column_names))
    assert answer.snapshot is not None
    assert answer.snapshot.snapshot_id == landed.snapshot_id
    answer, data = await read()
    first, second, _ = sorted(lines(data), key=lambda row: int(row["id"]))
    assert first == {
        "id": 0,
        "price": "0.00",
        "day": "2024-02-29",
        "moment": "2024-01-01T12:30:00",
        "zoned": "2024-01-01T12:30:00+00:00",
        "name": "é0",
        "sometimes": 0,
        "number": "NaN",
        "list": [0, 1],
        "struct": {"a": 0, "b": "x"},
        "pairs": [["k", 0]],
        "raw": "Ynl0ZXM=",
        "even": True,
    }
    assert second["sometimes"] is None


async def test_only_what_is_wanted_comes(known: Known, land: Land, read: Read) -> None:
    await known()
    land("r1", "orders", rows=10, select="range as id, range * 2 as twice, 'x' as note")
    answer, data = await read(columns=("twice", "id"), where="id >= 7")
    assert sorted(lines(data), key=lambda row: int(row["id"])) == [{"twice": n * 2, "id": n} for n in (7, 8, 9)]
    assert (answer.columns, answer.rows, answer.complete) == (("id", "twice"), 3, True)


@pytest.mark.parametrize(
    ("limit", "rows", "complete"), [(3, 3, False), (10, 10, True), (11, 10, True), (None, 10, True)]
)
async def test_a_limit_says_whether_there_is_more(
    known: Known, land: Land, read: Read, limit: int | None, rows: int, complete: bool
) -> None:
    await known()
    land("r1", "orders", rows=10)
    answer, data = await read(limit=limit)
    assert (answer.rows, answer.complete, len(lines(data))) == (rows, complete, rows)


async def test_time_travel_returns_the_rows_of_the_run_that_wrote_them(
    known: Known, land: Land, lake: Catalog, read: Read
) -> None:
    await known()
    first = land("r1", "orders", rows=2)
    second = land("r2", "orders", rows=4)
    table = lake.load_table(tuple(first.identifier.split(".")))
    table.manage_snapshots().create_tag(first.snapshot_id, "opening").commit()
    entry = table.metadata.snapshot_by_id(first.snapshot_id)
    assert entry is not None
    for at in (str(first.snapshot_id), "opening", "run:r1"):
        answer, data = await read(at=at)
        assert ids(data) == [0, 1], at
        assert answer.snapshot is not None
        assert answer.snapshot.run_id == "r1"
    for at in (None, str(second.snapshot_id), "run:r2", "main"):
        assert ids((await read(at=at))[1]) == [0, 1, 2, 3], at


@pytest.mark.parametrize(
    "request_", [{"at": "yesterdya"}, {"at": "17"}, {"columns": ("idd",)}, {"where": "id >"}, {"where": "nothing = 1"}]
)
async def test_what_cannot_be_read_is_refused_in_words(
    known: Known, land: Land, read: Read, request_: dict[str, Any]
) -> None:
    await known()
    land("r1", "orders")
    with pytest.raises(RequestRefused) as caught:
        await read(**request_)
    assert caught.value.problem.code.startswith("FLOE-LAKE-")
    assert caught.value.problem.hint


@pytest.mark.parametrize("form", ["json", "arrow"])
async def test_a_table_without_snapshots_has_no_rows(known: Known, lake: Catalog, read: Read, form: str) -> None:
    await known()
    schema = pa.schema([pa.field("id", pa.int64())])
    lake.create_namespace_if_not_exists(("default", "dev", "shop-orders", "main"))
    lake.create_table(("default", "dev", "shop-orders", "main", "orders"), schema)
    answer, data = await read(form=form)
    assert (answer.rows, answer.complete, answer.snapshot, answer.columns) == (0, True, None, ("id",))
    if form == "arrow":
        assert pa.ipc.open_stream(io.BytesIO(data)).read_all().num_rows == 0


async def test_a_long_table_comes_whole_however_slowly_it_is_read(asking: Asking, known: Known, land: Land) -> None:
    """And its snapshot is pinned as long as that takes, so that it does not expire under its reader."""
    await known()
    land("r1", "orders", rows=300_000)
    received = bytearray()

    async def slow(data: bytes) -> None:
        await asyncio.sleep(0.01)
        received.extend(data)

    answer = await asking(READ_TABLE, ReadTable(table="orders", limit=None, form="arrow"), on_data=slow)
    assert answer.rows == 300_000
    arrow = pa.ipc.open_stream(io.BytesIO(bytes(received))).read_all()
    assert pa.compute.sum(arrow["id"]).as_py() == sum(range(300_000))


async def test_what_is_read_is_pinned_and_only_as_long_as_that_lasts(
    bus: Bus, asking: Asking, known: Known, land: Land
) -> None:
    await known()
    landed = land("r1", "orders", rows=600_000)
    pins = SnapshotPins(lambda: bus.key_value(SNAPSHOT_PINS_BUCKET))
    seen: list[frozenset[int]] = []

    async def look(_: bytes) -> None:
        seen.append(await pins.pinned(landed.table_uuid))

    await asking(READ_TABLE, ReadTable(table="orders", limit=None), on_data=look)
    assert seen[0] == {landed.snapshot_id}

    async def forgotten() -> bool:
        return not await pins.pinned(landed.table_uuid)

    assert await eventually(forgotten)
