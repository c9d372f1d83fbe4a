"""Cube's driver over `serve.duckdb`: npm's DuckDB reads what PyPI's wrote, however often it is replaced."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from cube_home import CONFIGURATION, CubeHome  # found by the path that conftest.py adds
from pyiceberg.catalog import Catalog

from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.serving.refreshing import WantedTable, refresh_served

_PROBE = Path(__file__).with_name("serve_driver_probe.cjs")
_ORDERS = ("default", "dev", "shop", "main", "orders")


class Driver:
    """The driver in a Node process, asked line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, command: str, **options: Any) -> Any:
        self.send(command, **options)
        return self.answer()

    def send(self, command: str, **options: Any) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"do": command, **options}) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        assert self._process.stdout
        answered = json.loads(self._process.stdout.readline())
        return answered.get("answer", answered)

    def rows(self, sql: str = 'SELECT id FROM "main"."orders"') -> Any:
        return self("query", sql=sql)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    made = open_catalog({"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": str(tmp_path / "lake")})
    made.create_namespace(_ORDERS[:-1])
    made.create_table(_ORDERS, pa.schema([("id", pa.int64()), ("at", pa.timestamp("us"))]))
    return made


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "serve" / "serve.duckdb"


def land(catalog: Catalog, database: Path, *ids: int) -> None:
    table = catalog.load_table(_ORDERS)
    table.overwrite(pa.table({"id": list(ids), "at": [0] * len(ids)}, table.schema().as_arrow()))
    refresh_served(database, catalog, lambda _: [WantedTable(_ORDERS, "main", "orders")])


@pytest.fixture
def driver(cube_home: CubeHome, database: Path, tmp_path: Path) -> Iterator[Driver]:
    home = tmp_path / "cube"
    home.mkdir()
    (home / "node_modules").symlink_to(cube_home.folder / "node_modules")
    modules = shutil.copytree(CONFIGURATION / "floe", home / "floe")
    with subprocess.Popen(
        [cube_home.node, "--expose-gc", _PROBE, modules, database],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"TZ": "America/New_York"},
    ) as process:
        yield Driver(process)
        process.kill()


def test_a_landing_is_seen_by_the_next_query(catalog: Catalog, database: Path, driver: Driver) -> None:
    land(catalog, database, 1)
    assert driver.rows() == [{"id": "1"}]
    land(catalog, database, 2)
    assert driver.rows() == [{"id": "2"}]
    shown = driver.rows("SELECT schema_name, table_name, snapshot_id FROM floe_serve.tables")
    current = catalog.load_table(_ORDERS).metadata.current_snapshot_id
    assert shown == [{"schema_name": "main", "table_name": "orders", "snapshot_id": str(current)}]
    assert driver("told") == []


def test_a_query_that_is_at_work_keeps_the_file_it_began_with(catalog: Catalog, database: Path, driver: Driver) -> None:
    land(catalog, database, *range(50_000))
    assert driver("begin", name="long", sql='SELECT id FROM "main"."orders" ORDER BY id') == {"id": "0"}
    for each in range(3):
        land(catalog, database, each)
        assert driver.rows() == [{"id": str(each)}]
    assert driver("held")["files"] == 2
    assert driver("finish", name="long") == 49_999
    driver.rows()
    assert driver("held")["files"] == 1


def test_a_stream_that_is_given_up_lets_its_file_go(catalog: Catalog, database: Path, driver: Driver) -> None:
    land(catalog, database, *range(50_000))
    driver("begin", name="long", sql='SELECT id FROM "main"."orders"')
    land(catalog, database, 1)
    driver.rows()
    driver("drop", name="long")
    assert driver("held")["files"] == 1


def test_a_hundred_landings_leave_nothing_behind(catalog: Catalog, database: Path, driver: Driver) -> None:
    land(catalog, database, 0)
    driver.rows()
    first = driver("held")
    for each in range(100):
        driver.send("together", sql='SELECT id FROM "main"."orders"', times=4)
        land(catalog, database, each)
        answered = driver.answer()
        assert [len(rows) for rows in answered] == [1] * 4
    assert driver.rows() == [{"id": "99"}]
    held = driver("held")
    assert held["files"] == 1
    assert held["threads"] <= first["threads"] + 2


def test_what_has_no_zone_is_utc_wherever_cube_runs(catalog: Catalog, database: Path, driver: Driver) -> None:
    land(catalog, database, 1)
    asked = 'SELECT hour(timezone(\'UTC\', "at"::timestamptz)) AS hour FROM "main"."orders"'
    assert driver.rows(asked) == [{"hour": "0"}]
    assert driver("begin", name="stream", sql=asked) == {"hour": "0"}


def test_it_says_why_there_is_nothing_and_that_there_is(catalog: Catalog, database: Path, driver: Driver) -> None:
    assert "it is there once a run has landed" in driver.rows()["error"]
    driver.rows()
    (told,) = driver("told")
    assert told.startswith(f"error: floe: {database} is not read: it cannot be looked at (ENOENT)")
    land(catalog, database, 1)
    assert driver.rows() == [{"id": "1"}]
    assert driver("told") == [f"info: floe: {database} is read again"]


def test_what_was_read_goes_on_serving_when_the_file_is_broken_or_gone(
    catalog: Catalog, database: Path, driver: Driver
) -> None:
    land(catalog, database, 1)
    driver.rows()
    broken = database.with_name("broken")
    broken.write_bytes(b"no database" * 1000)
    broken.replace(database)
    assert driver.rows() == [{"id": "1"}]
    assert "it cannot be opened" in driver("told")[0]
    database.unlink()
    assert driver.rows() == [{"id": "1"}]
    assert "it cannot be looked at" in driver("told")[0]
    land(catalog, database, 2)
    assert driver.rows() == [{"id": "2"}]


def test_a_broken_file_at_first_is_told_to_whoever_asks(database: Path, driver: Driver) -> None:
    database.parent.mkdir()
    database.write_bytes(b"no database" * 1000)
    assert "it cannot be opened" in driver.rows()["error"]


def test_it_reaches_the_tables_and_no_other_file(catalog: Catalog, database: Path, driver: Driver) -> None:
    land(catalog, database, 1)
    for sql in (
        "SELECT * FROM read_text('/etc/hostname')",
        "COPY (SELECT 1) TO '/tmp/out.csv'",
        "SET enable_external_access = true",
        'CREATE TABLE "main"."mine" (id INT)',
        'DROP VIEW "main"."orders"',
    ):
        assert "error" in driver.rows(sql), sql


def test_a_quote_in_the_path_is_no_sql(
    cube_home: CubeHome, catalog: Catalog, driver: Driver, database: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "it's" / "serve.duckdb"
    land(catalog, odd, 7)
    database.parent.symlink_to(odd.parent)
    assert driver.rows() == [{"id": "7"}]
