from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from floe_contracts.errors import Permanent
from floe_lakehouse.duckdb_files import DEFAULT_ENGINE, DuckDBTable, Engine, open_closed
from floe_lakehouse.errors import CopyFailed
from floe_lakehouse.lake_folders import Lake


@pytest.mark.parametrize("source", ["read_text('{secret}')", "read_csv('{secret}')", "glob('{folder}/*')"])
def test_a_view_reaches_nothing_outside(
    stage: Any, tmp_path: Path, files_under: Callable[[str], list[str]], source: str
) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("canary\n1\n")

    with pytest.raises(CopyFailed, match="Permission Error") as caught:
        stage(f"from {source.format(secret=secret, folder=tmp_path)}", kind="view")
    assert "canary" not in str(caught.value)
    assert files_under("*") == []


def test_the_instance_cannot_be_opened_again(build: Callable[[str], Path], tmp_path: Path) -> None:
    database = build("create table t as select 1 as id")
    other = build("create table t as select 2 as id")
    (tmp_path / "out" / "data").mkdir(parents=True)
    source = DuckDBTable(database, "main", "t", Engine(memory_limit="200MB", threads=1))
    with source.warehouse.open([Lake(f"file://{tmp_path}/out")]) as connection:
        for statement in (
            "set enable_external_access = true",
            "set allowed_directories = ['/']",
            "set memory_limit = '100GB'",
            f"attach '{other}' as other",
            f"copy (select 1) to '{tmp_path}/elsewhere.parquet'",
            f'drop table "{database.stem}".main.t',
            "from read_csv('http://127.0.0.1:1/x')",
            "install httpfs",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(statement)
        assert connection.execute("select current_setting('memory_limit')").fetchall() == [("190.7 MiB",)]


def test_two_instances_read_one_file_at_once(build: Callable[[str], Path], tmp_path: Path) -> None:
    database = build("create table t as select 1 as id")
    source = DuckDBTable(database, "main", "t", Engine(memory_limit="100MB", threads=1))
    opened = source.warehouse.open
    with opened([Lake(f"{tmp_path}/a")]) as first, opened([Lake(f"{tmp_path}/b")]) as second:
        for connection in (first, second):
            with source.read(connection) as relation:
                assert connection.execute(f"from {relation.relation}").fetchall() == [(1,)]


def test_views_of_the_file_itself_are_landed(
    build: Callable[[str], Path], stage: Any, switch: Any, read: Callable[[], list[dict[str, Any]]]
) -> None:
    switch(stage("select sum(i) as total from range(5) as rows(i)", kind="view"))

    assert [int(row["total"]) for row in read()] == [10]


def test_a_missing_table_or_file_is_told(stage: Any, catalog: Any, tmp_path: Path) -> None:
    with pytest.raises(CopyFailed, match=r"FLOE-LAND-006.*main\.absent") as caught:
        stage("select 1 as id", table="absent")
    assert isinstance(caught.value, Permanent)
    with pytest.raises(CopyFailed, match=r"absent\.duckdb"):
        stage("select 1 as id", database=tmp_path / "absent.duckdb")


def test_more_rows_than_memory_are_staged(stage: Any, tmp_path: Path) -> None:
    staged = stage(
        "select i, hash(i) as noise, i::varchar as word from range(3000000) as rows(i)",
        engine=Engine(memory_limit="60MB"),
    )

    assert staged.rows == 3_000_000
    assert sum(file.size_bytes for file in staged.files) > 20_000_000
    assert not list(tmp_path.glob("*.spill"))


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "not_kept"])
def test_what_was_read_is_kept_only_where_that_is_wanted(tmp_path: Path, keep: bool) -> None:
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "rows.parquet"
    duckdb.sql("select range as id from range(10000)").write_parquet(str(file))

    with open_closed([Lake(tmp_path.as_uri())], DEFAULT_ENGINE, keep_read=keep) as connection:
        assert connection.execute(f"select sum(id) from read_parquet('{file}')").fetchall() == [(49_995_000,)]
        ((kept,),) = connection.execute("select count(*) from duckdb_external_file_cache()").fetchall()
    assert (kept > 0) is keep
