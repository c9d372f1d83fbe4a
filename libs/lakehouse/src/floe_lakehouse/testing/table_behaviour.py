"""What holds for tables and their past in every kind of catalog."""

# ruff: noqa: S101  # these are tests
from __future__ import annotations

import pytest
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, TableAlreadyExistsError

from floe_lakehouse.errors import TableMissing
from floe_lakehouse.snapshots import list_tables, table_summary
from floe_lakehouse.tables import find_table
from floe_lakehouse.testing.lake_under_test import LakeUnderTest


class TableBehaviour:
    """Tests to inherit; see `catalog_behaviour`."""

    def test_every_snapshot_is_read_as_it_was(self, lake: LakeUnderTest) -> None:
        landed = [lake.land(f"SELECT {number} AS id") for number in range(3)]
        for number, one in enumerate(landed):
            assert lake.rows(one.snapshot_id) == [(number,)]

    def test_a_tag_keeps_what_it_names(self, lake: LakeUnderTest) -> None:
        first = lake.land("SELECT 1 AS id")
        lake.table().manage_snapshots().create_tag(first.snapshot_id, "signed-off").commit()
        lake.land("SELECT 2 AS id")

        tagged = lake.table().snapshot_by_name("signed-off")
        assert tagged is not None
        assert lake.rows(tagged.snapshot_id) == [(1,)]
        lake.table().manage_snapshots().remove_tag("signed-off").commit()
        assert lake.table().snapshot_by_name("signed-off") is None

    def test_a_branch_does_not_move_what_is_read(self, lake: LakeUnderTest) -> None:
        first = lake.land("SELECT 1 AS id")
        lake.table().manage_snapshots().create_branch(first.snapshot_id, "audit").commit()
        table = lake.table()
        table.append(table.scan().to_arrow(), branch="audit")

        assert lake.rows() == [(1,)]
        branched = lake.table().snapshot_by_name("audit")
        assert branched is not None
        assert lake.rows(branched.snapshot_id) == [(1,), (1,)]

    def test_a_table_goes_back_to_a_snapshot(self, lake: LakeUnderTest) -> None:
        first = lake.land("SELECT 1 AS id")
        lake.land("SELECT 2 AS id")
        lake.table().manage_snapshots().rollback_to_snapshot(first.snapshot_id).commit()

        assert lake.rows() == [(1,)]
        assert lake.table().metadata.current_snapshot_id == first.snapshot_id

    def test_a_dropped_table_is_gone_and_comes_back_by_its_metadata(self, lake: LakeUnderTest) -> None:
        landed = lake.land("SELECT 1 AS id")
        metadata = lake.table().metadata_location
        with pytest.raises(TableAlreadyExistsError):
            lake.catalog.create_table(lake.orders, lake.table().schema())
        lake.catalog.drop_table(lake.orders)

        assert find_table(lake.catalog, lake.orders) is None
        assert list_tables(lake.catalog, lake.namespace) == ()
        with pytest.raises(NoSuchTableError):
            lake.catalog.drop_table(lake.orders)
        with pytest.raises(TableMissing):
            table_summary(lake.catalog, lake.orders)
        lake.catalog.register_table(lake.orders, metadata)
        assert lake.rows() == [(1,)]
        assert str(lake.table().metadata.table_uuid) == landed.table_uuid

    def test_a_table_of_the_same_name_is_another_table(self, lake: LakeUnderTest) -> None:
        first = lake.land("SELECT 1 AS id")
        old = lake.table()
        lake.catalog.drop_table(lake.orders)
        second = lake.land("SELECT 'x' AS word")

        assert first.table_uuid != second.table_uuid
        with pytest.raises(CommitFailedException):
            old.append(old.scan().to_arrow())
        assert lake.rows() == [("x",)]

    def test_a_table_is_found_under_its_new_name(self, lake: LakeUnderTest) -> None:
        lake.land("SELECT 1 AS id")
        lake.catalog.rename_table(lake.orders, (*lake.namespace, "sales"))

        assert list_tables(lake.catalog, lake.namespace) == ((*lake.namespace, "sales"),)
        assert find_table(lake.catalog, lake.orders) is None
        assert lake.catalog.load_table((*lake.namespace, "sales")).scan().count() == 1

    def test_properties_of_a_table_are_kept(self, lake: LakeUnderTest) -> None:
        lake.land("SELECT 1 AS id")
        with lake.table().transaction() as transaction:
            transaction.set_properties({"floe.owner": "sales"})
        lake.land("SELECT 2 AS id")
        assert lake.table().properties["floe.owner"] == "sales"
