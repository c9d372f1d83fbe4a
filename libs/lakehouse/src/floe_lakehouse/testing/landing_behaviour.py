"""What holds for landings in every kind of catalog."""

# ruff: noqa: S101  # these are tests
from __future__ import annotations

import pytest
from pyiceberg.exceptions import CommitFailedException

from floe_lakehouse.errors import NewerRunLanded, SchemaBroken
from floe_lakehouse.orphans import discard_staged
from floe_lakehouse.snapshots import RUN_ID, list_tables, summary_of, table_summary
from floe_lakehouse.tables import find_table
from floe_lakehouse.testing.lake_under_test import LakeUnderTest, at_once

_TWO = "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) t(id, word)"
_UPSERT = {"mode": "upsert", "unique_key": ("id",)}
_APPEND = {"mode": "append", "watermark": "id"}


class LandingBehaviour:
    """Tests to inherit; see `catalog_behaviour`."""

    def test_a_table_comes_with_its_first_landing_and_not_before(self, lake: LakeUnderTest) -> None:
        staged = lake.stage(_TWO, run_id="first")
        assert find_table(lake.catalog, lake.orders) is None
        landed = lake.switch(staged)

        assert lake.rows() == [(1, "a"), (2, "b")]
        told = table_summary(lake.catalog, lake.orders)
        assert (told.table_uuid, told.snapshot_id, told.rows) == (landed.table_uuid, landed.snapshot_id, 2)
        assert told.properties[RUN_ID] == "first"
        assert list_tables(lake.catalog, lake.namespace) == (lake.orders,)

    def test_a_landing_replaces_upserts_or_appends_in_one_snapshot(self, lake: LakeUnderTest) -> None:
        landed = [
            lake.land(_TWO),
            lake.land("SELECT * FROM (VALUES (3, 'c'), (4, 'd')) t(id, word)"),
            lake.land("SELECT * FROM (VALUES (4, 'D'), (5, 'e')) t(id, word)", **_UPSERT),
            lake.land("SELECT * FROM (VALUES (5, 'late'), (6, 'f')) t(id, word)", **_APPEND),
        ]

        assert lake.rows() == [(3, "c"), (4, "D"), (5, "e"), (6, "f")]
        assert [one.rows for one in landed] == [2, 2, 3, 4]
        assert len({one.snapshot_id for one in landed}) == len(landed)
        assert len({one.table_uuid for one in landed}) == 1

    def test_each_landing_stands_on_the_one_before(self, lake: LakeUnderTest) -> None:
        landed = [lake.land(_TWO), lake.land(_TWO), lake.land("SELECT 9 AS id, 'z' AS word", **_APPEND)]
        assert [one.parent_snapshot_id for one in landed] == [None, *(one.snapshot_id for one in landed[:-1])]

    def test_partitions_land_and_are_read_by_them(self, lake: LakeUnderTest) -> None:
        lake.land(
            "SELECT i AS id, CAST('2026-01-01' AS DATE) + CAST(i % 3 AS INTEGER) AS day FROM range(9) r(i)",
            partition_by=("day",),
        )
        lake.land("SELECT CAST(1 AS BIGINT) AS id, CAST('2026-01-09' AS DATE) AS day", **_UPSERT, partition_by=("day",))

        table = lake.table()
        assert [field.name for field in table.spec().fields] == ["day"]
        assert len(list(table.scan(row_filter="day = '2026-01-09'").plan_files())) == 1
        assert [id_ for id_, _ in lake.rows()] == list(range(9))

    def test_columns_come_and_widen_and_a_break_changes_nothing(self, lake: LakeUnderTest) -> None:
        lake.land("SELECT CAST(1 AS INTEGER) AS id")
        lake.land("SELECT CAST(2 AS BIGINT) AS id, 'x' AS note")
        assert [(column.name, str(column.field_type)) for column in lake.table().schema().fields] == [
            ("id", "long"),
            ("note", "string"),
        ]
        before = lake.table().metadata_location
        with pytest.raises(SchemaBroken):
            lake.land("SELECT 'three' AS id, 'y' AS note")
        assert lake.table().metadata_location == before
        lake.land("SELECT 'three' AS id, 'y' AS note", allow_breaking=True)
        assert lake.rows() == [("y", "three")] or lake.rows() == [("three", "y")]

    def test_a_run_lands_once_however_often_it_is_switched(self, lake: LakeUnderTest) -> None:
        lake.land("SELECT 0 AS id")
        staged = lake.stage("SELECT i AS id FROM range(6) r(i)", run_id="twice")
        handles = [lake.another_handle() for _ in range(3)]
        landed = at_once([lambda handle=one: lake.switch(staged, sequence=50, catalog=handle) for one in handles])  # type: ignore[misc]
        again = lake.switch(staged, sequence=50)

        assert len({one.snapshot_id for one in [*landed, again]}) == 1
        assert sorted(one.already_landed for one in landed) == [False, True, True]
        assert [id_ for (id_,) in lake.rows()] == list(range(6))

    def test_a_table_that_several_create_at_once_is_one_table(self, lake: LakeUnderTest) -> None:
        staged = [lake.stage(f"SELECT {number} AS id", run_id=f"run-{number}") for number in range(3)]
        handles = [lake.another_handle() for _ in staged]

        def switch(number: int) -> str | None:
            try:
                return lake.switch(staged[number], sequence=100 + number, catalog=handles[number]).table_uuid
            except NewerRunLanded:
                return None

        uuids = at_once([lambda number=number: switch(number) for number in range(3)])  # type: ignore[misc]
        assert len({uuid for uuid in uuids if uuid}) == 1
        assert lake.rows() == [(2,)]

    def test_writers_at_once_lose_no_row(self, lake: LakeUnderTest) -> None:
        lake.land("SELECT 0 AS id")
        rows = lake.table().scan().to_arrow()
        with lake.table().transaction() as transaction:
            transaction.set_properties({"commit.retry.num-retries": "0"})

        def append_until_it_stands(times: int) -> int:
            catalog, conflicts = lake.another_handle(), 0
            while times:
                try:
                    catalog.load_table(lake.orders).append(rows)
                    times -= 1
                except CommitFailedException:
                    conflicts += 1
            return conflicts

        at_once([lambda: append_until_it_stands(5) for _ in range(3)])
        assert len(lake.rows()) == 1 + 3 * 5

    def test_a_commit_on_an_old_state_is_a_conflict(self, lake: LakeUnderTest) -> None:
        lake.land("SELECT 1 AS id")
        stale = lake.table()
        lake.land("SELECT 2 AS id")
        with pytest.raises(CommitFailedException):
            stale.append(stale.scan().to_arrow())
        assert lake.rows() == [(2,)]

    def test_an_older_run_does_not_land_over_a_newer_one(self, lake: LakeUnderTest) -> None:
        late = lake.stage("SELECT 1 AS id")
        lake.switch(lake.stage("SELECT 2 AS id"), sequence=9)
        with pytest.raises(NewerRunLanded):
            lake.switch(late, sequence=8)
        assert lake.rows() == [(2,)]

    def test_what_is_not_switched_leaves_nothing(self, lake: LakeUnderTest) -> None:
        new = lake.stage("SELECT 1 AS id")
        assert discard_staged(lake.catalog, new) == 1
        assert find_table(lake.catalog, lake.orders) is None
        lake.land("SELECT 2 AS id")
        assert discard_staged(lake.catalog, lake.stage("SELECT 3 AS id")) == 1
        assert lake.rows() == [(2,)]

    def test_runs_are_found_by_their_snapshots(self, lake: LakeUnderTest) -> None:
        for name in ("one", "two"):
            lake.land("SELECT 1 AS id", run_id=name)
        assert [summary_of(snapshot).get(RUN_ID) for snapshot in lake.table().snapshots()] == ["one", "two"]
