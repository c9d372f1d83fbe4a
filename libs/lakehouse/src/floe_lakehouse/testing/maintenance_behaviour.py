"""What holds for keeping tables small, and for going back, in every kind of catalog."""

# ruff: noqa: S101  # these are tests
from __future__ import annotations

import time

from floe_lakehouse.history.differences import diff_snapshots
from floe_lakehouse.history.past_snapshots import find_snapshot, snapshots_of
from floe_lakehouse.history.reading import read_at
from floe_lakehouse.history.references import branch_snapshot, tag_snapshot
from floe_lakehouse.history.rollback import rollback_table
from floe_lakehouse.landing import LandedTable
from floe_lakehouse.maintenance.compaction import compact_table
from floe_lakehouse.maintenance.compaction_plans import CompactionOptions
from floe_lakehouse.maintenance.expiry import expire_snapshots
from floe_lakehouse.maintenance.manifests import rewrite_manifests
from floe_lakehouse.maintenance.orphan_files import remove_orphans
from floe_lakehouse.maintenance.retention import ExpiryOptions
from floe_lakehouse.testing.lake_under_test import LakeUnderTest, at_once

_COMPACTION = CompactionOptions(min_input_files=2)
_LANDINGS = 5


class MaintenanceBehaviour:
    """Tests to inherit; see `catalog_behaviour`."""

    def test_compaction_makes_one_file_of_many_and_keeps_every_row(self, lake: LakeUnderTest) -> None:
        landed = _many_files(lake)
        foreseen = compact_table(lake.catalog, lake.orders, _COMPACTION, fence=_holds, dry_run=True)
        assert lake.table().metadata.current_snapshot_id == landed[-1].snapshot_id
        report = compact_table(lake.catalog, lake.orders, _COMPACTION, fence=_holds)
        again = compact_table(lake.catalog, lake.orders, _COMPACTION, fence=_holds)

        assert (foreseen.outcome, foreseen.dry_run, foreseen.files_before) == ("done", True, _LANDINGS)
        assert (report.outcome, report.files_before, report.files_after) == ("done", _LANDINGS, 1)
        assert again.outcome == "nothing_to_do"
        assert len(list(lake.table().scan().plan_files())) == 1
        assert lake.rows() == [(number,) for number in range(_LANDINGS)]

    def test_compaction_leaves_the_past_as_it_was(self, lake: LakeUnderTest) -> None:
        landed = _many_files(lake)
        compact_table(lake.catalog, lake.orders, _COMPACTION, fence=_holds)
        for number, one in enumerate(landed):
            assert lake.rows(one.snapshot_id) == [(row,) for row in range(number + 1)]

    def test_compaction_beside_writers_loses_no_row(self, lake: LakeUnderTest) -> None:
        _many_files(lake)

        def compact() -> None:
            for _ in range(3):
                compact_table(lake.another_handle(), lake.orders, _COMPACTION, fence=_holds)

        def append() -> None:
            for number in range(3):
                lake.land(f"SELECT {_LANDINGS + number} AS id", mode="append", watermark="id")

        at_once([compact, append])
        assert lake.rows() == [(number,) for number in range(_LANDINGS + 3)]

    def test_manifests_are_put_together(self, lake: LakeUnderTest) -> None:
        _many_files(lake)
        report = rewrite_manifests(lake.catalog, lake.orders, 2, fence=_holds)

        assert (report.outcome, report.files_before, report.files_after) == ("done", _LANDINGS, 1)
        current = lake.table().current_snapshot()
        assert current is not None
        assert len(current.manifests(lake.table().io)) == 1
        assert lake.rows() == [(number,) for number in range(_LANDINGS)]

    def test_expiry_deletes_what_no_snapshot_holds(self, lake: LakeUnderTest) -> None:
        landed = [lake.land(f"SELECT {number} AS id") for number in range(4)]
        tag_snapshot(lake.catalog, lake.orders, "signed-off", landed[1].snapshot_id, fence=_holds)
        options = ExpiryOptions(_soon(), 1)
        foreseen = expire_snapshots(lake.catalog, lake.orders, options, fence=_holds, dry_run=True)
        assert len(lake.table().snapshots()) == 4
        report = expire_snapshots(lake.catalog, lake.orders, options, fence=_holds)

        gone = {landed[0].snapshot_id, landed[2].snapshot_id}
        assert set(report.snapshots_removed) == set(foreseen.snapshots_removed) == gone
        assert {one.snapshot_id for one in lake.table().snapshots()} == {landed[1].snapshot_id, landed[3].snapshot_id}
        assert sorted(report.removed) == sorted(foreseen.removed)
        assert len([path for path in report.removed if path.endswith(".parquet")]) == 2
        assert report.bytes_removed > 0
        assert (lake.rows(), lake.rows(landed[1].snapshot_id)) == ([(3,)], [(1,)])
        again = expire_snapshots(lake.catalog, lake.orders, options, fence=_holds)
        assert again.outcome == "nothing_to_do"

    def test_orphans_go_and_nothing_else(self, lake: LakeUnderTest) -> None:
        landed = _many_files(lake)
        lake.stage("SELECT 7 AS id")  # its run died
        young = remove_orphans(lake.catalog, lake.orders, 0, fence=_holds)
        foreseen = remove_orphans(lake.catalog, lake.orders, _soon(), fence=_holds, dry_run=True)
        report = remove_orphans(lake.catalog, lake.orders, _soon(), fence=_holds)

        assert young.outcome == "nothing_to_do"
        assert report.outcome == "done"
        assert report.removed == foreseen.removed
        assert len([path for path in report.removed if path.endswith(".parquet")]) == 1
        assert [len(lake.rows(one.snapshot_id)) for one in landed] == list(range(1, _LANDINGS + 1))

    def test_a_rollback_goes_back_and_forward_again(self, lake: LakeUnderTest) -> None:
        landed = [lake.land(f"SELECT {number} AS id") for number in range(3)]
        report = rollback_table(lake.catalog, lake.orders, landed[0].snapshot_id, fence=_holds)

        assert (report.snapshot_before, report.snapshot_after) == (landed[2].snapshot_id, landed[0].snapshot_id)
        assert lake.rows() == [(0,)]
        rollback_table(lake.catalog, lake.orders, landed[2].snapshot_id, fence=_holds)
        assert lake.rows() == [(2,)]
        lake.land("SELECT 9 AS id")
        assert lake.rows() == [(9,)]

    def test_names_point_where_they_were_put(self, lake: LakeUnderTest) -> None:
        first, second = lake.land("SELECT 1 AS id"), lake.land("SELECT 2 AS id")
        tag_snapshot(lake.catalog, lake.orders, "release", first.snapshot_id, fence=_holds)
        branch_snapshot(lake.catalog, lake.orders, "audit", second.snapshot_id, fence=_holds)
        assert find_snapshot(lake.table(), "release").snapshot_id == first.snapshot_id
        tag_snapshot(lake.catalog, lake.orders, "release", second.snapshot_id, fence=_holds)
        branch_snapshot(lake.catalog, lake.orders, "audit", None, remove=True, fence=_holds)

        assert find_snapshot(lake.table(), "release").snapshot_id == second.snapshot_id
        assert set(lake.table().metadata.refs) == {"main", "release"}

    def test_the_past_is_told_read_and_compared(self, lake: LakeUnderTest) -> None:
        first = lake.land("SELECT i AS id FROM range(3) r(i)", run_id="before")
        second = lake.land("SELECT i AS id, 'x' AS note FROM range(5) r(i)", run_id="after")
        compact_table(lake.catalog, lake.orders, _COMPACTION, fence=_holds)
        table = lake.table()

        told = {one.snapshot_id: one.run_id for one in snapshots_of(table)}
        assert (told[first.snapshot_id], told[second.snapshot_id]) == ("before", "after")
        assert read_at(table, first.snapshot_id).read_all().num_rows == 3
        assert read_at(table, second.snapshot_id, limit=2).read_all().num_rows == 2
        difference = diff_snapshots(table, first.snapshot_id, second.snapshot_id)
        assert [column.name for column in difference.fields_added] == ["note"]
        assert (difference.rows_before, difference.rows_after) == (3, 5)


def _many_files(lake: LakeUnderTest) -> list[LandedTable]:
    """As many files as there are rows, from as many runs: 0, 1, 2, ..."""
    first = lake.land("SELECT 0 AS id")
    rest = [lake.land(f"SELECT {number} AS id", mode="append", watermark="id") for number in range(1, _LANDINGS)]
    return [first, *rest]


def _soon() -> int:
    """A moment after everything that a test has written, by whatever clock."""
    return (int(time.time()) + 3600) * 1000


def _holds() -> None:
    """The fence of a lease that nobody else takes."""
