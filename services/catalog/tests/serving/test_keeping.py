"""`serve.duckdb` follows the tables, whoever changes them and whenever the service runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.types import LongType

from floe_chassis.bus import Bus
from floe_chassis.requests import ask
from floe_chassis.testing import eventually
from floe_contracts.catalog_requests import (
    COMPACT_TABLES,
    EXPIRE_SNAPSHOTS,
    REMOVE_ORPHANS,
    CompactTables,
    ExpireSnapshots,
    RemoveOrphans,
)
from floe_contracts.events import ArtifactRetired
from floe_lakehouse.history.rollback import rollback_table

pytestmark = pytest.mark.bus

ORDERS = ("default", "dev", "shop-orders", "main", "orders")


async def shown(reading: Callable[..., Any], expected: Any, *sql: str) -> None:
    await eventually(lambda: reading(*sql) == expected)


async def test_a_run_is_seen_by_readers(service, bus, compiled, land, completed, reading) -> None:
    await bus.publish(compiled(), id="c1")
    await bus.publish(completed("run-1", land("run-1")), id="run-1")
    await shown(reading, [(3,)])
    landed = land("run-2", rows=5)
    await bus.publish(completed("run-2", landed), id="run-2")
    await shown(reading, [(5,)])
    assert reading("SELECT snapshot_id, identifier FROM floe_serve.tables") == [(landed.snapshot_id, landed.identifier)]


async def test_what_others_do_to_tables_is_seen(service, bus, compiled, land, lake: Catalog, reading) -> None:
    await bus.publish(compiled(), id="c1")
    first = land("run-1")
    await shown(reading, [(3,)])
    lake.load_table(ORDERS).append(pa.table({"id": pa.array([9], pa.int64())}))
    await shown(reading, [(4,)])
    with lake.load_table(ORDERS).update_schema() as update:
        update.add_column("more", LongType())
    await shown(reading, [(None,)], "SELECT max(more) FROM main.orders")
    rollback_table(lake, ORDERS, first.snapshot_id, fence=lambda: None)
    await shown(reading, [(3,)])
    lake.drop_table(ORDERS)
    await shown(reading, [], "FROM floe_serve.tables")


async def test_a_table_is_called_as_dbt_calls_it(service, bus, compiled, land, node, reading) -> None:
    """The catalog takes no dot in a name."""
    await bus.publish(compiled(nodes=(node("v1.2", "id: bigint"),)), id="c1")
    land("run-1", "v1_2e2")
    land("run-0", "former")
    await shown(reading, [("former",), ("v1.2",)], "SELECT table_name FROM floe_serve.tables ORDER BY 1")
    assert reading('SELECT count(*) FROM main."v1.2"') == [(3,)]


async def test_what_landed_while_the_service_was_away_is_shown_when_it_is_back(
    bus: Bus, running, environment, compiled, land, reading
) -> None:
    async with running(environment):
        await bus.publish(compiled(), id="c1")
        land("run-1")
        await shown(reading, [(3,)])
    land("run-2", rows=7)
    assert reading() == [(3,)]
    async with running(environment):
        await shown(reading, [(7,)])


async def test_what_was_told_is_shown_when_the_service_has_stopped(
    bus: Bus, running, environment, compiled, land, committed, reading
) -> None:
    """As of a stack that ends with its run."""
    async with running(environment):
        await bus.publish(compiled(), id="c1")
        land("run-1")

        async def told() -> bool:
            return len(await committed()) == 1

        await eventually(told)
    assert reading() == [(3,)]


async def test_what_is_shown_of_a_retired_product_stays(
    service, bus, compiled, land, served: Path, reading, settled
) -> None:
    await bus.publish(compiled(), id="c1")
    land("run-1")
    await shown(reading, [(3,)])
    retired = ArtifactRetired(tenant="default", product="shop-orders", submission="2", reason="removed")
    await bus.publish(retired, id="c2")
    await eventually(lambda: settled("FLOE_ARTIFACTS", "catalog"))
    assert reading() == [(3,)]
    land("run-2", rows=5)
    await bus.publish(compiled(version="2.0.0"), id="c3")
    await shown(reading, [(5,)])


async def test_a_file_that_is_gone_or_broken_comes_back(service, bus, compiled, land, served: Path, reading) -> None:
    await bus.publish(compiled(), id="c1")
    land("run-1")
    await shown(reading, [(3,)])
    served.unlink()  # noqa: ASYNC240 - a small file
    await shown(reading, [(3,)])
    broken = served.with_name("broken")
    broken.write_bytes(b"no database")
    broken.replace(served)
    await shown(reading, [(3,)])


async def test_it_goes_on_once_the_file_can_be_written(
    service, bus, compiled, land, served: Path, reading, tmp_path: Path
) -> None:
    served.mkdir(parents=True)  # noqa: ASYNC240 - as above
    await bus.publish(compiled(), id="c1")
    land("run-1")
    await eventually(lambda: served.with_name("serve.lock").exists())
    served.rmdir()  # noqa: ASYNC240 - as above
    await shown(reading, [(3,)])


async def test_without_a_folder_nothing_is_written(
    bus: Bus, running, environment, compiled, land, tmp_path: Path, committed
) -> None:
    del environment["FLOE_CATALOG_SERVE_DIR"]
    async with running(environment):
        await bus.publish(compiled(), id="c1")
        land("run-1")

        async def told() -> bool:
            return len(await committed()) == 1

        await eventually(told)
    assert not (tmp_path / "serve").exists()


async def test_readers_of_former_files_keep_their_rows_whatever_is_tidied_up(
    service, bus: Bus, compiled, land, lake: Catalog, served: Path, reading, tmp_path: Path
) -> None:
    """Expiry, compaction and orphans at their sharpest, while a reader has the file of before open."""
    await bus.publish(compiled(), id="c1")
    land("run-1", rows=1000)
    await shown(reading, [(1000,)])
    with duckdb.connect(":memory:") as reader:
        reader.execute(f"ATTACH '{served}' AS former (READ_ONLY)")
        for number in range(2, 6):
            land(f"run-{number}", rows=number)
            await shown(reading, [(number,)])
        where = {"tenant": "default", "environment": "dev"}
        requests = (
            (COMPACT_TABLES, CompactTables(table="orders", min_input_files=2)),
            (EXPIRE_SNAPSHOTS, ExpireSnapshots(table="orders", max_age_days=0, min_snapshots=1)),
            (REMOVE_ORPHANS, RemoveOrphans(table="orders", min_age_days=1)),
        )
        for operation, request in requests:
            (result,) = (await ask(bus, operation, request, **where)).results
            assert result.snapshots_removed == (), "the reader's snapshot, and what was committed on it, is pinned"
        assert reader.execute("SELECT count(*), sum(id) FROM former.main.orders").fetchall() == [(1000, 499_500)]
    await shown(reading, [(5,)])
