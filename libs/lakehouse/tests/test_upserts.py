from __future__ import annotations

import datetime as dt
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import EqualTo
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField, UUIDType

from floe_contracts.errors import LeaseLost, Permanent
from floe_lakehouse.catalogs import ensure_namespace, open_catalog
from floe_lakehouse.duckdb_files import DuckDBTable, Engine
from floe_lakehouse.errors import CopyFailed, LandingColumnMissing, NewerRunLanded, UpsertUnsupported
from floe_lakehouse.landing import switch_table
from floe_lakehouse.snapshots import MODE
from floe_lakehouse.staged import LandingRequest, Mode
from floe_lakehouse.staging import stage_table

Read = Callable[[], list[dict[str, Any]]]
Files = Callable[[str], list[str]]
ORDERS = ("acme", "dev", "shop", "orders")
KEYED = {"mode": "upsert", "unique_key": ("id",)}


def by_id(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["id"] is not None, row["id"]))


# ---- what becomes of rows


def test_rows_of_a_key_are_replaced_new_ones_come_and_others_stay(
    stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any
) -> None:
    first = switch(stage("select * from (values (1, 'a'), (2, 'b'), (3, 'c')) t(id, word)", **KEYED))
    staged = stage("select * from (values (2, 'B'), (3, 'c'), (4, 'd')) t(id, word)", run_id="run-2", **KEYED)
    second = switch(staged, sequence=2)

    assert by_id(read()) == [
        {"id": 1, "word": "a"},
        {"id": 2, "word": "B"},
        {"id": 3, "word": "c"},
        {"id": 4, "word": "d"},
    ]
    assert staged.rows == 2  # what changed, and what is new
    assert (second.rows, second.mode, second.parent_snapshot_id) == (4, "upsert", first.snapshot_id)
    snapshot = catalog.load_table(identifier).current_snapshot()
    assert snapshot
    assert snapshot.summary
    assert (snapshot.summary.operation.value, snapshot.summary.additional_properties[MODE]) == ("overwrite", "upsert")
    assert len(catalog.load_table(identifier).snapshots()) == 2
    assert len(catalog.load_table(identifier).scan(snapshot_id=first.snapshot_id).to_arrow()) == 3


def test_only_files_with_changed_keys_are_written_again(
    stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any
) -> None:
    for number in range(4):
        rows = f"select i as id, 0 as n from range({number * 10}, {number * 10 + 10}) r(i)"
        switch(stage(rows, run_id=f"run-{number}", **KEYED), sequence=number)
    before = {task.file.file_path for task in catalog.load_table(identifier).scan().plan_files()}

    changed = stage("select i as id, (i = 25)::int as n from range(40) r(i)", run_id="changed", **KEYED)
    landed = switch(changed, sequence=9)

    after = {task.file.file_path for task in catalog.load_table(identifier).scan().plan_files()}
    assert (len(before), len(before & after), landed.rows, changed.rows) == (4, 3, 40, 1)
    assert sorted((row["id"], row["n"]) for row in read()) == [(i, int(i == 25)) for i in range(40)]


def test_the_same_rows_again_leave_every_file_and_are_a_landing(
    stage: Any, switch: Any, files_under: Files, catalog: Catalog, identifier: Any
) -> None:
    query = "select i as id, {'list': [i], 'nothing': null::int} as nested, i / 3 as part from range(1000) r(i)"
    switch(stage(query, **KEYED))
    before = files_under("*.parquet")
    again = switch(stage(query, run_id="run-2", **KEYED), sequence=2)

    assert files_under("*.parquet") == before
    assert again.rows == 1000
    assert catalog.load_table(identifier).current_snapshot().snapshot_id == again.snapshot_id  # type: ignore[union-attr]


def test_an_empty_warehouse_takes_no_rows_away_and_may_begin_a_table(stage: Any, switch: Any, read: Read) -> None:
    assert switch(stage("select 1 as id where false", **KEYED)).rows == 0
    switch(stage("select 1 as id", run_id="run-2", **KEYED), sequence=2)
    assert switch(stage("select 1 as id where false", run_id="run-3", **KEYED), sequence=3).rows == 1
    assert read() == [{"id": 1}]


def test_a_table_that_was_replaced_may_be_upserted_and_the_other_way_round(stage: Any, switch: Any, read: Read) -> None:
    switch(stage("select * from (values (1, 'a'), (2, 'b')) t(id, word)"))
    switch(stage("select 2 as id, 'B' as word", run_id="run-2", **KEYED), sequence=2)
    assert by_id(read()) == [{"id": 1, "word": "a"}, {"id": 2, "word": "B"}]
    switch(stage("select 9 as id, 'z' as word", run_id="run-3"), sequence=3)
    assert read() == [{"id": 9, "word": "z"}]


def test_schemas_evolve_between_upserts(stage: Any, switch: Any, read: Read) -> None:
    switch(stage("select * from (values (1::int, {'a': 1}, 'x'), (2, {'a': 2}, 'y')) t(id, s, gone)", **KEYED))
    rows = "select 2::bigint as id, {'a': 2, 'b': 'new'} as s, date '2026-01-01' as day"
    switch(stage(rows, run_id="run-2", **KEYED), sequence=2)

    assert by_id(read()) == [
        {"id": 1, "s": {"a": 1, "b": None}, "gone": "x", "day": None},
        {"id": 2, "s": {"a": 2, "b": "new"}, "gone": None, "day": dt.date(2026, 1, 1)},
    ]


def test_keys_may_be_many_odd_and_spelled_otherwise(stage: Any, switch: Any, read: Read) -> None:
    key = {"mode": "upsert", "unique_key": ('the "key"', "PART")}
    rows = 'select * from (values (1, null, \'a\'), (1, 2.5, \'b\')) t("the ""key""", part, word)'
    switch(stage(rows, **key))
    switch(stage(rows.replace("'a'", "'A'"), run_id="run-2", **key), sequence=2)

    assert sorted(row["word"] for row in read()) == ["A", "b"]


def test_columns_may_be_called_as_duckdb_calls_its_own(stage: Any, switch: Any, read: Read) -> None:
    rows = "select * from (values (1, 'a', 7), (2, 'b', 8)) t(id, filename, rows)"
    switch(stage(rows, **KEYED))
    switch(stage(rows.replace("'b'", "'B'"), run_id="run-2", partition_by=("filename",), **KEYED), sequence=2)
    assert by_id(read()) == [{"id": 1, "filename": "a", "rows": 7}, {"id": 2, "filename": "B", "rows": 8}]


# ---- what others do meanwhile


def test_a_foreign_commit_in_between_is_built_upon(
    stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any, files_under: Files
) -> None:
    switch(stage("select * from (values (1::bigint, 'a'), (2, 'b')) t(id, word)", **KEYED))
    fences: list[int] = []

    def append_once() -> None:
        fences.append(1)
        if len(fences) == 1:
            catalog.load_table(identifier).append(pa.table({"id": [2, 7], "word": ["foreign", "foreign"]}))

    landed = switch(
        stage("select 2::bigint as id, 'B' as word", run_id="run-2", **KEYED), sequence=2, fence=append_once
    )

    assert len(fences) == 2
    assert by_id(read()) == [{"id": 1, "word": "a"}, {"id": 2, "word": "B"}, {"id": 7, "word": "foreign"}]
    assert landed.rows == 3
    held = {Path(task.file.file_path).name for task in catalog.load_table(identifier).scan().plan_files()}
    travelled = {
        Path(file["file_path"]).name for file in catalog.load_table(identifier).inspect.all_data_files().to_pylist()
    }
    assert held < travelled
    assert set(files_under("*.parquet")) == travelled  # what the first try had rewritten is gone


def test_a_lost_lease_leaves_only_what_was_staged(stage: Any, switch: Any, read: Read, files_under: Files) -> None:
    switch(stage("select * from (values (1, 'a'), (2, 'b')) t(id, word)", **KEYED))
    staged = stage("select 2 as id, 'B' as word", run_id="run-2", **KEYED)
    before = files_under("*.parquet")

    def lost() -> None:
        raise LeaseLost("somebody else runs this product now")

    with pytest.raises(LeaseLost):
        switch(staged, sequence=2, fence=lost)
    assert files_under("*.parquet") == before
    assert switch(staged, sequence=3).rows == 2
    assert by_id(read()) == [{"id": 1, "word": "a"}, {"id": 2, "word": "B"}]


def test_a_switch_removes_what_a_killed_one_had_rewritten(
    stage: Any, switch: Any, files_under: Files, tmp_path: Path
) -> None:
    switch(stage("select * from (values (1, 'a'), (2, 'b')) t(id, word)", **KEYED))
    staged = stage("select 2 as id, 'B' as word", run_id="run-2", **KEYED)
    folder = Path(staged.files[0].location.removeprefix("file://")).parent
    (folder / "rewritten-before-the-kill.parquet").write_bytes(b"half a file")

    switch(staged, sequence=2)
    assert "rewritten-before-the-kill.parquet" not in files_under("*")


def test_files_of_others_are_read_by_field_id_when_they_renamed_a_column(
    stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any
) -> None:
    switch(stage("select 1::bigint as id, 'a' as word", **KEYED))
    table = catalog.load_table(identifier)
    with table.update_schema() as update:
        update.rename_column("word", "text")
    catalog.load_table(identifier).append(pa.table({"id": [2], "text": ["foreign"]}))

    switch(stage("select 3::bigint as id, 'c' as text union all select 1, 'a'", run_id="run-2", **KEYED), sequence=2)
    assert by_id(read()) == [{"id": 1, "text": "a"}, {"id": 2, "text": "foreign"}, {"id": 3, "text": "c"}]
    switch(stage("select 2::bigint as id, 'mine' as text", run_id="run-3", **KEYED), sequence=3)
    assert by_id(read()) == [{"id": 1, "text": "a"}, {"id": 2, "text": "mine"}, {"id": 3, "text": "c"}]


def test_fields_inside_of_structs_that_others_renamed_are_refused(
    stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any
) -> None:
    switch(stage("select 1::bigint as id, {'n': 1} as point union all select 2, {'n': 2}", **KEYED))
    early = stage("select 1::bigint as id", run_id="run-2", **KEYED)
    with catalog.load_table(identifier).update_schema() as update:
        update.rename_column(("point", "n"), "number")
    before = read()

    with pytest.raises(UpsertUnsupported, match=r"'point'.*'n'"):
        stage("select 1::bigint as id, {'number': 3} as point", run_id="run-3", **KEYED)
    with pytest.raises(UpsertUnsupported, match=r"'point'.*'n'"):
        switch(early, sequence=2)
    assert read() == before


def test_what_floe_cannot_rewrite_is_refused(stage: Any, catalog: Catalog, identifier: Any) -> None:
    ensure_namespace(catalog, identifier[:-1], {})
    fields = (NestedField(1, "id", LongType(), required=False), NestedField(2, "code", UUIDType(), required=False))
    foreign = catalog.create_table(identifier, Schema(*fields))
    foreign.append(pa.table({"id": [1], "code": [b"0" * 16]}, schema=foreign.schema().as_arrow()))

    with pytest.raises(UpsertUnsupported, match=r"FLOE-LAKE-025.*uuid") as caught:
        stage("select 1::bigint as id", **KEYED)
    assert isinstance(caught.value, Permanent)


def test_files_elsewhere_are_refused(
    stage: Any, switch: Any, catalog: Catalog, identifier: Any, tmp_path: Path
) -> None:
    switch(stage("select 1::bigint as id", **KEYED))
    duckdb.sql("select 2::bigint as id").write_parquet(str(tmp_path / "elsewhere.parquet"))
    catalog.load_table(identifier).add_files([f"file://{tmp_path}/elsewhere.parquet"])

    with pytest.raises(UpsertUnsupported, match="elsewhere"):
        stage("select 1::bigint as id", run_id="run-2", **KEYED)


@pytest.mark.parametrize(
    ("key", "message"), [((), "has no unique_key"), (("idd",), "'idd' is no column"), (("id || 'x'",), "is no column")]
)
def test_an_upsert_needs_a_key_that_is_there(stage: Any, key: tuple[str, ...], message: str) -> None:
    with pytest.raises(LandingColumnMissing, match=rf"FLOE-LAKE-023.*{message}".replace("|", r"\|")) as caught:
        stage("select 1 as id", mode="upsert", unique_key=key)
    assert "id" in (caught.value.hint or "")


def test_more_keys_than_memory_are_compared(stage: Any, switch: Any, catalog: Catalog, identifier: Any) -> None:
    small = Engine(memory_limit="80MB", threads=2)
    query = "select i as id, hash(i + {0}) as noise, i::varchar as word from range(1500000) as rows(i)"
    switch(stage(query.format("0"), engine=small, **KEYED))
    staged = stage(query.format("(i % 20 = 0)::int"), run_id="run-2", engine=small, file_size_bytes=8 * 2**20, **KEYED)
    landed = switch(staged, sequence=2, engine=small)

    assert (staged.rows, landed.rows) == (75_000, 1_500_000)
    with duckdb.connect() as connection:
        files = [
            task.file.file_path.removeprefix("file://") for task in catalog.load_table(identifier).scan().plan_files()
        ]
        query = (
            "select count(*), count(distinct id), count(*) filter (where noise != hash(id + (id % 20 = 0)::int)) from "
        )
        assert connection.execute(f"{query} read_parquet(?)", [files]).fetchall() == [(1_500_000, 1_500_000, 0)]


# ---- any sequence of landings is what a model says

KEYS = st.one_of(st.none(), st.integers(0, 5))
ROWS = st.lists(st.tuples(KEYS, st.one_of(st.none(), st.sampled_from(["", "a", "b"]))), max_size=8)


@dataclass
class Model:
    """What a table must hold."""

    rows: Counter[tuple[int | None, str | None]] = field(default_factory=Counter)
    landed: set[str] = field(default_factory=set)
    fence: int = -1

    def land(self, run: str, fence: int, mode: str, rows: list[tuple[int | None, str | None]]) -> bool:
        """Whether the landing is let in."""
        if run in self.landed:
            return True
        if fence < self.fence:
            return False
        keys = {row[0] for row in rows}
        kept = {row: count for row, count in self.rows.items() if mode == "upsert" and row[0] not in keys}
        self.rows = Counter(kept) + Counter(rows)
        self.landed.add(run)
        self.fence = fence
        return True


LANDINGS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 6), st.sampled_from(["upsert", "upsert", "replace"]), ROWS), max_size=7
)


@settings(max_examples=25, deadline=None)
@given(landings=LANDINGS, parted=st.booleans())
def test_any_sequence_of_landings_leaves_what_the_model_says(
    landings: list[tuple[int, int, Mode, list[tuple[int | None, str | None]]]], parted: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        catalog = open_catalog(
            {"type": "sql", "uri": f"sqlite:///{place}/catalog.db", "warehouse": str(place / "lake")}
        )
        model = Model()
        for number, (run, fence, mode, rows) in enumerate(landings):
            database = place / f"{number}.duckdb"
            with duckdb.connect(database) as connection:
                connection.execute("create table orders (id integer, word varchar)")
                if rows:
                    connection.executemany("insert into orders values (?, ?)", rows)
            request = LandingRequest(
                source=DuckDBTable(database, "main", "orders"),
                identifier=ORDERS,
                run_id=f"run-{run}",
                attempt=1,
                mode=mode,
                unique_key=("id",),
                partition_by=("bucket[3](id)",) if parted else (),
            )
            staged = stage_table(catalog, request)
            let_in = model.land(request.run_id, fence, mode, rows)
            for _ in range(2):  # every switch may come twice
                if let_in:
                    switch_table(catalog, staged, sequence=fence, properties={}, fence=lambda: None)
                else:
                    with pytest.raises(NewerRunLanded):
                        switch_table(catalog, staged, sequence=fence, properties={}, fence=lambda: None)
        if model.landed:
            found = catalog.load_table(ORDERS).scan().to_arrow().to_pylist()
            assert Counter((row["id"], row["word"]) for row in found) == model.rows


def test_a_file_that_is_gone_is_told(stage: Any, switch: Any, catalog: Catalog, identifier: Any) -> None:
    switch(stage("select 1 as id, 'a' as word", **KEYED))
    staged = stage("select 1 as id, 'b' as word", run_id="run-2", **KEYED)
    for task in catalog.load_table(identifier).scan(EqualTo("id", 1)).plan_files():
        Path(task.file.file_path.removeprefix("file://")).unlink()

    with pytest.raises(CopyFailed, match=r"what stays of acme\.dev\.shop\.orders could not be copied"):
        switch(staged, sequence=2)
