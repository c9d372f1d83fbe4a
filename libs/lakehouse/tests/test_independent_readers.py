"""DuckDB's own Iceberg reader, which shares nothing with pyiceberg, reads what has landed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pyiceberg.catalog import Catalog

from floe_lakehouse.testing.other_engine import duckdb_with_iceberg


@pytest.fixture
def scan(catalog: Catalog, identifier: Any) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    with duckdb_with_iceberg() as connection:

        def run(query: str) -> list[tuple[Any, ...]]:
            metadata = catalog.load_table(identifier).metadata_location.removeprefix("file://")
            return connection.execute(query.format(f"iceberg_scan('{metadata}')")).fetchall()

        yield run


def test_it_reads_every_mode_with_partitions_and_new_columns(stage: Any, switch: Any, scan: Any, read: Any) -> None:
    parted = {"partition_by": ("bucket[3](id)", "day(at)")}
    rows = (
        "select i::int as id, timestamp '2026-01-01' + to_hours(i::int) as at, {'n': i} as nested from range(100) r(i)"
    )
    switch(stage(rows, **parted))
    keyed = {"mode": "upsert", "unique_key": ("id",), **parted}
    changed = (
        f"select id, t.at, nested, id * 1.5 as price from ({rows}) t where id % 10 = 3 "
        "union all select 500, null, null, 0"
    )
    switch(stage(changed, run_id="run-2", **keyed), sequence=2)
    growing = {"mode": "append", "watermark": "id"}
    switch(stage("select 501 as id, null::timestamp as at", run_id="run-3", **growing), sequence=3)

    assert len(read()) == 102
    assert scan("select count(*), sum(id), sum(nested.n), count(price) from {}") == [(102, 4950 + 1001, 4950, 11)]
    assert scan("select price from {} where id = 13 and \"at\" = timestamp '2026-01-01 13:00:00'")[0][0] == 19.5
    assert sorted(row["id"] for row in read()) == [row[0] for row in scan("select id from {} order by id")]
