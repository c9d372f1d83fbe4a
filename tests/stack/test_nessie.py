"""Nessie does what every catalog does, but for the past of a table: that stands in its own commits.

It is opened with the keys that it vends, and with none of the store's own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest
from servers import CatalogServer

from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.errors import CatalogUnreachable, SnapshotMissing
from floe_lakehouse.history.past_snapshots import find_snapshot, snapshots_of
from floe_lakehouse.history.reading import read_at
from floe_lakehouse.history.references import branch_snapshot, tag_snapshot
from floe_lakehouse.history.rollback import rollback_table
from floe_lakehouse.maintenance.compaction import compact_table
from floe_lakehouse.maintenance.compaction_plans import CompactionOptions
from floe_lakehouse.maintenance.expiry import expire_snapshots
from floe_lakehouse.maintenance.orphan_files import remove_orphans
from floe_lakehouse.maintenance.reports import MaintenanceReport
from floe_lakehouse.maintenance.retention import ExpiryOptions
from floe_lakehouse.snapshots import RUN_ID, summary_of
from floe_lakehouse.testing.catalog_behaviour import CatalogBehaviour
from floe_lakehouse.testing.lake_under_test import LakeUnderTest

_EVER = 2**62
_ITS_OWN = "this catalog keeps the past of tables in commits of its own, so only its own tools reach that"


class TestNessie(CatalogBehaviour):
    @pytest.fixture
    def properties(self, nessie_server: CatalogServer) -> Mapping[str, str]:
        return {"type": "nessie", "uri": nessie_server.uri, "warehouse": nessie_server.warehouse}

    def test_a_server_that_takes_no_commit_is_not_asked_for_minutes(
        self, lake: LakeUnderTest, nessie_server: CatalogServer
    ) -> None:
        """It answers 500 to a schema without `last-column-id`, which `rest` leaves out."""
        staged = lake.stage("SELECT 1 AS id")
        other = open_catalog({"type": "rest", "uri": nessie_server.uri, "warehouse": nessie_server.warehouse})
        began = time.monotonic()
        with pytest.raises(CatalogUnreachable, match=r"FLOE-LAKE-002: .*HTTP 400"):
            lake.switch(staged, catalog=other)

        assert time.monotonic() - began < 30
        assert lake.switch(staged).rows == 1

    # ---- the past, as the server shows it: of a table's snapshots the current one

    def test_every_snapshot_is_read_as_it_was(self, lake: LakeUnderTest) -> None:
        first, second = lake.land("SELECT 1 AS id"), lake.land("SELECT 2 AS id")

        assert [snapshot.snapshot_id for snapshot in lake.table().snapshots()] == [second.snapshot_id]
        assert lake.rows(second.snapshot_id) == [(2,)]
        with pytest.raises(ValueError, match="Snapshot not found"):
            lake.rows(first.snapshot_id)

    def test_each_landing_stands_on_the_one_before(self, lake: LakeUnderTest) -> None:
        landed = [lake.land(f"SELECT {number} AS id") for number in range(3)]

        assert [one.parent_snapshot_id for one in landed] == [None, None, None]
        assert lake.table().metadata.last_sequence_number == len(landed)

    def test_runs_are_found_by_their_snapshots(self, lake: LakeUnderTest) -> None:
        for name in ("one", "two"):
            lake.land("SELECT 1 AS id", run_id=name)

        assert [summary_of(snapshot).get(RUN_ID) for snapshot in lake.table().snapshots()] == ["two"]

    def test_the_past_is_told_read_and_compared(self, lake: LakeUnderTest) -> None:
        first = lake.land("SELECT i AS id FROM range(3) r(i)", run_id="before")
        second = lake.land("SELECT i AS id FROM range(5) r(i)", run_id="after")
        table = lake.table()

        assert [(one.snapshot_id, one.run_id, one.is_current) for one in snapshots_of(table)] == [
            (second.snapshot_id, "after", True)
        ]
        assert read_at(table, find_snapshot(table, "run:after").snapshot_id).read_all().num_rows == 5
        for at in (str(first.snapshot_id), "run:before", "2020-01-01"):
            with pytest.raises(SnapshotMissing) as missing:
                find_snapshot(table, at)
            assert missing.value.hint == _ITS_OWN

    def test_compaction_leaves_the_past_as_it_was(self, lake: LakeUnderTest) -> None:
        """Whoever read the table before reads its files still: compaction deletes none of them."""
        lake.land("SELECT 0 AS id")
        lake.land("SELECT 1 AS id", mode="append", watermark="id")
        before = lake.table()
        report = compact_table(lake.catalog, lake.orders, CompactionOptions(min_input_files=2), fence=_holds)

        assert report.outcome == "done"
        assert lake.table().metadata.current_snapshot_id == report.snapshot_after
        assert before.scan().to_arrow().num_rows == 2
        assert lake.land("SELECT 2 AS id", mode="append", watermark="id").rows == 3

    # ---- what it would take and forget, and what its own past needs

    def test_a_tag_keeps_what_it_names(self, lake: LakeUnderTest) -> None:
        """It takes the commit and forgets the tag."""
        first = lake.land("SELECT 1 AS id")
        lake.table().manage_snapshots().create_tag(first.snapshot_id, "signed-off").commit()

        assert set(lake.table().metadata.refs) == {"main"}

    def test_a_branch_does_not_move_what_is_read(self, lake: LakeUnderTest) -> None:
        """It takes the commit and forgets the branch."""
        first = lake.land("SELECT 1 AS id")
        lake.table().manage_snapshots().create_branch(first.snapshot_id, "audit").commit()

        assert set(lake.table().metadata.refs) == {"main"}
        assert lake.rows() == [(1,)]

    def test_a_table_goes_back_to_a_snapshot(self, lake: LakeUnderTest) -> None:
        first = lake.land("SELECT 1 AS id")
        lake.land("SELECT 2 AS id")

        with pytest.raises(ValueError, match="Cannot roll back to unknown snapshot"):
            lake.table().manage_snapshots().rollback_to_snapshot(first.snapshot_id).commit()
        assert lake.rows() == [(2,)]

    def test_names_point_where_they_were_put(self, lake: LakeUnderTest) -> None:
        landed = lake.land("SELECT 1 AS id")

        assert _unsupported(tag_snapshot(lake.catalog, lake.orders, "release", landed.snapshot_id, fence=_holds))
        assert _unsupported(branch_snapshot(lake.catalog, lake.orders, "audit", None, fence=_holds))
        assert set(lake.table().metadata.refs) == {"main"}

    def test_a_rollback_goes_back_and_forward_again(self, lake: LakeUnderTest) -> None:
        first = lake.land("SELECT 1 AS id")
        lake.land("SELECT 2 AS id")

        assert _unsupported(rollback_table(lake.catalog, lake.orders, first.snapshot_id, fence=_holds))
        assert lake.rows() == [(2,)]

    def test_expiry_deletes_what_no_snapshot_holds(self, lake: LakeUnderTest) -> None:
        """The server says itself, by `gc.enabled`, that no file of its tables may be deleted by others."""
        lake.land("SELECT 1 AS id")
        old = lake.table()
        lake.land("SELECT 2 AS id")

        assert old.properties["gc.enabled"] == "false"
        assert _unsupported(expire_snapshots(lake.catalog, lake.orders, ExpiryOptions(_EVER, 1), fence=_holds))
        assert old.scan().to_arrow().to_pylist() == [{"id": 1}]

    def test_orphans_go_and_nothing_else(self, lake: LakeUnderTest) -> None:
        """To the table's metadata the files of its past are orphans; other branches and tags need them."""
        lake.land("SELECT 1 AS id")
        old = lake.table()
        lake.land("SELECT 2 AS id")

        assert _unsupported(remove_orphans(lake.catalog, lake.orders, _EVER, fence=_holds))
        assert old.scan().to_arrow().to_pylist() == [{"id": 1}]


def _unsupported(report: MaintenanceReport) -> bool:
    return (report.outcome, report.reason) == ("unsupported", _ITS_OWN)


def _holds() -> None:
    """The fence of a lease that nobody else takes."""
