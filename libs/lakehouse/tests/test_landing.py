from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitStateUnknownException, NoSuchTableError
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField

from floe_contracts.errors import LeaseLost, Permanent, Transient
from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.duckdb_files import DuckDBTable, Engine
from floe_lakehouse.errors import CatalogUnreachable, LandingConflict, NewerRunLanded, StagedFileMissing
from floe_lakehouse.landing import switch_table
from floe_lakehouse.orphans import discard_staged
from floe_lakehouse.snapshots import ARTIFACT_DIGEST, ATTEMPT, FENCE, MODE, PRODUCT, RUN_ID
from floe_lakehouse.staged import LandingRequest
from floe_lakehouse.staging import stage_table

Read = Callable[[], list[dict[str, Any]]]
Files = Callable[[str], list[str]]


def test_first_landing_is_one_commit_that_creates_the_table(
    stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any, files_under: Files
) -> None:
    staged = stage("select i as id, i * 2.5 as amount from range(1000) as rows(i)")
    with pytest.raises(NoSuchTableError):
        catalog.load_table(identifier)
    assert files_under("*.metadata.json") == []

    landed = switch(staged, sequence=7, **{ARTIFACT_DIGEST: "sha256:00", PRODUCT: "shop"})

    table = catalog.load_table(identifier)
    assert len(files_under("*.metadata.json")) == 1
    assert landed.identifier == identifier
    assert landed.table_uuid == str(table.metadata.table_uuid)
    assert landed.snapshot_id == table.current_snapshot().snapshot_id  # type: ignore[union-attr]
    assert (landed.rows, landed.files, landed.already_landed) == (1000, len(staged.files), False)
    assert landed.size_bytes == sum(file.size_bytes for file in staged.files)
    assert [(field.name, field.type) for field in landed.fields] == [("id", "long"), ("amount", "decimal(21, 1)")]
    assert len(read()) == 1000
    assert table.format_version == 2
    assert table.properties["commit.retry.num-retries"] == "0"
    summary = table.current_snapshot().summary.additional_properties  # type: ignore[union-attr]
    expected = {
        RUN_ID: "run-1",
        ATTEMPT: "1",
        FENCE: "7",
        MODE: "replace",
        ARTIFACT_DIGEST: "sha256:00",
        PRODUCT: "shop",
    }
    assert {key: value for key, value in summary.items() if key.startswith("floe.")} == expected


def test_second_landing_replaces_in_one_commit_and_one_snapshot(
    stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any, files_under: Files
) -> None:
    first = switch(stage("select i as id from range(1000) as rows(i)"), sequence=1)
    second = switch(stage("select i + 5 as id from range(3) as rows(i)", run_id="run-2"), sequence=2)

    table = catalog.load_table(identifier)
    assert read() == [{"id": 5}, {"id": 6}, {"id": 7}]
    assert second.rows == 3
    assert second.parent_snapshot_id == first.snapshot_id
    assert second.table_uuid == first.table_uuid
    assert [snapshot.snapshot_id for snapshot in table.snapshots()] == [first.snapshot_id, second.snapshot_id]
    assert len(files_under("*.metadata.json")) == 2
    assert table.scan(snapshot_id=first.snapshot_id).count() == 1000


def test_a_run_lands_once_however_often_it_is_switched(stage: Any, switch: Any, read: Read, files_under: Files) -> None:
    staged = stage("select 1 as id")
    first = switch(staged)
    newer = switch(stage("select 2 as id", run_id="run-2"), sequence=2)
    again = switch(staged)

    assert again.already_landed
    assert (again.snapshot_id, again.rows, again.fields) == (first.snapshot_id, first.rows, first.fields)
    assert newer.rows == 1
    assert read() == [{"id": 2}]
    assert len(files_under("*.metadata.json")) == 2


def test_a_new_attempt_finds_what_the_earlier_one_landed(
    stage: Any, switch: Any, read: Read, catalog: Catalog, files_under: Files
) -> None:
    first = switch(stage("select 1 as id"), sequence=1)
    repeated = stage("select 1 as id", attempt=2)
    second = switch(repeated, sequence=2)

    assert second.already_landed
    assert second.snapshot_id == first.snapshot_id
    assert discard_staged(catalog, repeated) == 1
    assert len(files_under("*.parquet")) == 1
    assert read() == [{"id": 1}]


def test_crash_between_stage_and_switch_is_mended_by_the_next_attempt(
    stage: Any, switch: Any, read: Read, catalog: Catalog, files_under: Files
) -> None:
    abandoned = stage("select 1 as id")
    retried = stage("select 2 as id", attempt=2)
    assert files_under("*.parquet") == [Path(file.location).name for file in retried.files]
    landed = switch(retried, sequence=2)

    assert landed.rows == 1
    assert not landed.already_landed
    assert read() == [{"id": 2}]
    assert discard_staged(catalog, abandoned) == 0


def test_crash_between_stage_and_switch_is_mended_from_the_journal(stage: Any, switch: Any, read: Read) -> None:
    staged = stage("select 1 as id, {'at': timestamp '2026-01-01 00:00:00'} as nested")
    recovered = type(staged).from_json(json.loads(json.dumps(staged.to_json())))

    assert recovered == staged
    assert switch(recovered, sequence=9).rows == 1
    assert len(read()) == 1


def test_an_older_run_is_refused(stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any) -> None:
    older = stage("select 1 as id", run_id="older")
    switch(stage("select 2 as id", run_id="newer"), sequence=6)

    with pytest.raises(NewerRunLanded, match=r"FLOE-LAND-003.*holds the fence 5.*under 6") as caught:
        switch(older, sequence=5)
    assert isinstance(caught.value, LeaseLost)
    assert read() == [{"id": 2}]

    # The token survives its snapshot: a foreign commit on top, then the landing expires.
    table = catalog.load_table(identifier)
    landed = table.current_snapshot()
    assert landed
    table.append(pa.table({"id": pa.array([3], pa.int32())}))
    table.maintenance.expire_snapshots().by_id(landed.snapshot_id).commit()
    with pytest.raises(NewerRunLanded):
        switch(older, sequence=5)


def test_a_lost_lease_stops_the_switch(stage: Any, switch: Any, catalog: Catalog, identifier: Any) -> None:
    def lost() -> None:
        raise LeaseLost("somebody else runs this product now")

    with pytest.raises(LeaseLost):
        switch(stage("select 1 as id"), fence=lost)
    with pytest.raises(NoSuchTableError):
        catalog.load_table(identifier)


def test_a_foreign_append_in_between_is_replaced_and_told(
    stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any, caplog: pytest.LogCaptureFixture
) -> None:
    switch(stage("select 1::bigint as id"))
    fences: list[int] = []

    def append_once() -> None:
        fences.append(1)
        if len(fences) == 1:
            catalog.load_table(identifier).append(pa.table({"id": [99]}))

    landed = switch(stage("select 2::bigint as id", run_id="run-2"), sequence=2, fence=append_once)

    assert len(fences) == 2
    assert read() == [{"id": 2}]
    table = catalog.load_table(identifier)
    foreign = table.snapshots()[1]
    assert landed.foreign_snapshots == (foreign.snapshot_id,)
    assert landed.parent_snapshot_id == foreign.snapshot_id
    assert str(foreign.snapshot_id) in caplog.text
    # Replaced, not lost: the rows are still there to travel to.
    assert {row["id"] for row in table.scan(snapshot_id=foreign.snapshot_id).to_arrow().to_pylist()} == {1, 99}


def test_a_newer_run_in_between_stops_the_older_one(stage: Any, switch: Any, read: Read) -> None:
    switch(stage("select 1 as id"))
    newer = stage("select 3 as id", run_id="run-3")

    def overtake() -> None:
        switch(newer, sequence=3)

    with pytest.raises(NewerRunLanded):
        switch(stage("select 2 as id", run_id="run-2"), sequence=2, fence=overtake)
    assert read() == [{"id": 3}]


def test_a_table_created_in_between_is_landed_into(stage: Any, switch: Any, read: Read) -> None:
    other = stage("select 1 as id", run_id="run-1")
    landed = switch(
        stage("select 2 as id", run_id="run-2"), sequence=2, fence=lambda: switch(other, sequence=1) and None
    )

    assert read() == [{"id": 2}]
    assert landed.parent_snapshot_id


def test_endless_conflicts_end(stage: Any, switch: Any, catalog: Catalog, identifier: Any) -> None:
    switch(stage("select 1::bigint as id"))

    with pytest.raises(LandingConflict, match="FLOE-LAND-004") as caught:
        switch(
            stage("select 2::bigint as id", run_id="run-2"),
            sequence=2,
            tries=3,
            fence=lambda: catalog.load_table(identifier).append(pa.table({"id": [99]})),
        )
    assert isinstance(caught.value, Transient)


def test_a_catalog_that_tells_nothing_of_a_commit_is_not_asked_for_ever(
    stage: Any, switch: Any, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged, asked = stage("select 1::bigint as id"), []

    def silent(*arguments: Any) -> Any:
        asked.append(arguments)
        raise CommitStateUnknownException("WebApplicationException: HTTP 400")

    with monkeypatch.context() as patched:
        patched.setattr(catalog, "commit_table", silent)
        with pytest.raises(CatalogUnreachable, match=r"FLOE-LAKE-002: .*HTTP 400") as caught:
            switch(staged)
    assert isinstance(caught.value, Transient)
    assert len(asked) == 5
    assert switch(staged).rows == 1


def test_a_table_made_by_others_is_adopted(
    stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any
) -> None:
    staged = stage("select 7::bigint as id, 'x' as word")
    schema = Schema(NestedField(1, "id", LongType(), required=True), NestedField(2, "note", LongType(), required=False))
    foreign = catalog.create_table(identifier, schema)
    fields = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("note", pa.int64())])
    foreign.append(pa.table({"id": [1], "note": [2]}, schema=fields))

    landed = switch(staged)

    assert read() == [{"id": 7, "note": None, "word": "x"}]
    assert len(landed.foreign_snapshots) == 1
    assert catalog.load_table(identifier).properties["commit.retry.num-retries"] == "0"


def test_empty_result_empties_the_table_and_is_a_landing(
    stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any, files_under: Files
) -> None:
    switch(stage("select 1 as id"), sequence=1)
    staged = stage("select 1 as id where false", run_id="run-2")
    emptied = switch(staged, sequence=2)
    still_empty = switch(stage("select 1 as id where false", run_id="run-3"), sequence=3)

    assert staged.files == ()
    assert (emptied.rows, emptied.files, still_empty.rows) == (0, 0, 0)
    assert read() == []
    runs = [s.summary.additional_properties[RUN_ID] for s in catalog.load_table(identifier).snapshots() if s.summary]
    assert runs == ["run-1", "run-2", "run-3"]
    assert switch(staged, sequence=2).already_landed
    assert len(files_under("*.parquet")) == 1

    assert switch(stage("select 5 as id", run_id="run-4"), sequence=4).rows == 1
    assert read() == [{"id": 5}]


def test_first_landing_may_be_empty(stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any) -> None:
    landed = switch(stage("select 1 as id, 'x' as word where false"))

    assert (landed.rows, landed.files, landed.size_bytes) == (0, 0, 0)
    assert [field.name for field in landed.fields] == ["id", "word"]
    assert read() == []
    assert catalog.load_table(identifier).current_snapshot()


def test_discard_keeps_what_a_snapshot_holds(
    stage: Any, switch: Any, read: Read, catalog: Catalog, files_under: Files, tmp_path: Path
) -> None:
    landed = stage("select 1 as id")
    switch(landed)
    switch(stage("select 2 as id", run_id="run-2"), sequence=2)
    assert discard_staged(catalog, landed) == 0  # replaced since, but the first snapshot still holds it
    assert len(files_under("*.parquet")) == 2

    failed = stage("select 3 as id", run_id="run-3")
    assert discard_staged(catalog, failed) == 1
    assert discard_staged(catalog, failed) == 0
    assert len(files_under("*.parquet")) == 2
    assert not list((tmp_path / "warehouse").rglob("run-3-1"))
    assert read() == [{"id": 2}]


def test_discard_works_for_a_table_that_was_never_created(stage: Any, catalog: Catalog, files_under: Files) -> None:
    staged = stage("select i from range(10) as rows(i)")

    assert len(files_under("*.parquet")) == 1
    assert discard_staged(catalog, staged) == 1
    assert files_under("*") == []


def test_a_discarded_staging_cannot_be_switched(
    stage: Any, switch: Any, read: Read, catalog: Catalog, files_under: Files
) -> None:
    switch(stage("select 1 as id"))
    staged = stage("select 2 as id", run_id="run-2")
    discard_staged(catalog, staged)

    with pytest.raises(StagedFileMissing, match="FLOE-LAND-005") as caught:
        switch(staged, sequence=2)
    assert isinstance(caught.value, Permanent)
    assert read() == [{"id": 1}]


def test_the_same_attempt_staged_twice_mixes_nothing(stage: Any, switch: Any, read: Read, catalog: Catalog) -> None:
    first = stage("select 1 as id")
    switch(first)
    second = stage("select 1 as id")

    assert {file.location for file in first.files}.isdisjoint(file.location for file in second.files)
    assert discard_staged(catalog, second) == 1
    assert read() == [{"id": 1}]


def test_wide_rows_fit_into_little_memory(stage: Any, switch: Any) -> None:
    wide = "select i, repeat(sha256(i::varchar), 9) as word from range(250000) as rows(i)"

    landed = switch(stage(wide, engine=Engine("150MB", threads=2)))

    assert landed.rows == 250_000


def test_row_counts_agree_with_duckdb_in_a_fresh_process(stage: Any, switch: Any, properties: dict[str, str]) -> None:
    staged = stage(
        "select i, hash(i) as noise from range(250000) as rows(i)", engine=Engine(threads=2), file_size_bytes=500_000
    )
    landed = switch(staged)
    program = (
        "import sys; from pyiceberg.catalog.sql import SqlCatalog; "
        "table = SqlCatalog('floe', uri=sys.argv[1]).load_table(('acme', 'dev', 'shop', 'orders')); "
        "rows = table.scan().to_arrow(); print(rows.num_rows, len(set(rows['i'].to_pylist())), table.scan().count())"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, properties["uri"]], capture_output=True, text=True, check=True
    )

    assert len(staged.files) > 1
    assert staged.rows == landed.rows == 250000
    assert result.stdout.split() == ["250000"] * 3


def test_runs_with_odd_ids_and_folders_with_spaces_land(
    tmp_path: Path, properties: dict[str, str], build: Callable[[str], Path]
) -> None:
    catalog = open_catalog({**properties, "warehouse": f"file://{tmp_path}/it's a 'house'"})
    built = build('create schema "odd ""schema"; create table "odd ""schema"."the table" as select 1 as id')
    database = built.rename(tmp_path / "it's built.duckdb")
    request = LandingRequest(
        source=DuckDBTable(database, 'odd "schema', "the table"),
        identifier=("acme", "dev", "shop", "the table"),
        run_id="../shop:main/feature#1?x=%2F",
        attempt=1,
    )
    staged = stage_table(catalog, request)
    switch_table(catalog, staged, sequence=1, properties={}, fence=lambda: None)

    assert staged.location == f"file://{tmp_path}/it's a 'house'/acme.dev.shop/the table"
    assert all(file.location.startswith(f"{staged.location}/data/") for file in staged.files)
    assert catalog.load_table(request.identifier).scan().to_arrow().to_pylist() == [{"id": 1}]
