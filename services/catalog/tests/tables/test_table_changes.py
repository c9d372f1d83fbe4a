"""What there is to tell of a table, for every way in which it can have changed."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from floe_catalog.core.ports import ShownSnapshot, ShownTable
from floe_catalog.core.table_changes import Told, checked, nothing_known, table_changes, without_drift
from floe_contracts.events import TableColumn, TableDrift, TableSchema
from floe_contracts.openlineage.naming import Place

NOTHING = Told()
PLACE = Place("default", "dev", "shop")
NAME = "default.dev.shop.main.orders"
ID = TableColumn(field_id=1, name="id", type="long", required=False)
SCHEMA = TableSchema(schema_id=0, columns=(ID,))
WIDER = TableSchema(
    schema_id=1,
    columns=(ID, TableColumn(field_id=2, name="at", type="date", required=False)),
    partition_by=("day(at)",),
)


def snapshot(number: int, parent: int | None, *, maintenance: bool = False) -> ShownSnapshot:
    return ShownSnapshot(
        snapshot_id=number,
        parent_snapshot_id=parent,
        sequence_number=number,
        operation="append",
        rows=number,
        files=1,
        bytes=1,
        delete_files=number - 1,
        run_id=None,
        artifact_digest=None,
        committed_at="2026-01-01T00:00:00.000+00:00",
        maintenance=maintenance,
    )


def shown(
    *snapshots: ShownSnapshot,
    current: int | None = None,
    schema=SCHEMA,
    uuid: str = "u",
    log: tuple[int, ...] = (),
) -> ShownTable:
    newest = snapshots[-1].snapshot_id if snapshots else None
    return ShownTable(
        identifier=NAME,
        table_uuid=uuid,
        location="file:///lake/orders",
        metadata_location="file:///lake/orders/metadata/1.json",
        schema=schema,
        snapshot_id=current or newest,
        snapshots={each.snapshot_id: each for each in snapshots},
        log=log,
    )


def told_of(table: ShownTable | None, told: Told = NOTHING, revision: int = 7) -> Told:
    """What is told once a table has been."""
    return Told(table_changes(PLACE, NAME, told, table).state, revision)


def changes(told: Told, table: ShownTable | None) -> list[str]:
    return [telling.id for telling in table_changes(PLACE, NAME, told, table).tellings]


ONE, TWO, THREE = snapshot(1, None), snapshot(2, 1), snapshot(3, 2)


def test_a_table_that_never_was_there_has_nothing_to_tell() -> None:
    assert table_changes(PLACE, NAME, Told(), None).tellings == ()
    assert table_changes(PLACE, NAME, Told(), None).state is None


def test_a_new_table_is_told_with_all_its_past_in_order() -> None:
    assert changes(Told(), shown(ONE, TWO, THREE)) == [f"u:created:{NAME}:0", "u:1", "u:2", "u:3"]


def test_a_table_without_rows_is_told_of_alone() -> None:
    assert changes(Told(), shown()) == [f"u:created:{NAME}:0"]


def test_what_was_told_is_not_told_again() -> None:
    assert changes(told_of(shown(ONE, TWO)), shown(ONE, TWO)) == []


def test_every_snapshot_since_then_is_told() -> None:
    assert changes(told_of(shown(ONE)), shown(ONE, TWO, THREE)) == ["u:2", "u:3"]


def test_what_a_table_was_taken_back_from_between_two_looks_is_told() -> None:
    told = told_of(shown(ONE))
    back = shown(ONE, TWO, current=1, log=(1, 2, 1))
    assert changes(told, back) == ["u:2", "u:1:7"]
    assert [one.event.parent_snapshot_id for one in table_changes(PLACE, NAME, told, back).tellings] == [1, 2]
    assert changes(told_of(back, told), back) == []


def test_what_came_and_went_between_two_looks_is_told_in_the_order_in_which_it_was_made() -> None:
    other = snapshot(4, 1)
    table = shown(ONE, TWO, THREE, other, log=(1, 2, 3, 1, 4))
    assert changes(told_of(shown(ONE)), table) == ["u:2", "u:3", "u:4"]
    ahead = shown(ONE, TWO, THREE, current=2, log=(1, 2, 3, 2))
    assert changes(told_of(shown(ONE)), ahead) == ["u:2", "u:3", "u:2:7"]


def test_what_was_told_before_it_was_taken_back_is_not_told_again() -> None:
    told = told_of(shown(ONE, TWO, log=(1, 2)))
    back = shown(ONE, TWO, current=1, log=(1, 2, 1))
    told = told_of(back, told)
    assert changes(told, shown(ONE, TWO, snapshot(3, 1), log=(1, 2, 1, 3))) == ["u:3"]


def test_environments_that_share_a_table_are_each_told_of_it() -> None:
    table = replace(shown(ONE), identifier="sales.orders")
    ids = {
        place.environment: [one.id for one in table_changes(place, "sales.orders", Told(), table).tellings]
        for place in (PLACE, Place("default", "prod", "shop"))
    }
    assert ids["dev"] == [f"u:created:sales.orders:0:{PLACE}", f"u:1:{PLACE}"]
    assert not set(ids["dev"]) & set(ids["prod"])


def test_a_branch_is_not_told_of() -> None:
    assert changes(told_of(shown(ONE)), shown(ONE, TWO, snapshot(9, 1), current=2)) == ["u:2"]


def test_the_snapshot_that_a_table_was_taken_back_to_is_told_again() -> None:
    told = told_of(shown(ONE, TWO, THREE))
    (telling,) = table_changes(PLACE, NAME, told, shown(ONE, TWO, THREE, current=1)).tellings
    assert telling.id == "u:1:7"
    assert (telling.event.snapshot_id, telling.event.parent_snapshot_id) == (1, 3)


def test_back_and_forth_has_ids_of_its_own_each_time() -> None:
    """Else the bus would take the second time for a repetition of the first."""
    told = told_of(shown(ONE, TWO))
    ids: list[str] = []
    for revision, current in zip(itertools.count(8), (1, 2, 1, 2), strict=False):
        table = shown(ONE, TWO, current=current)
        ids += changes(told, table)
        told = told_of(table, told, revision)
    assert ids == ["u:1:7", "u:2:8", "u:1:9", "u:2:10"]


def test_a_rollback_that_was_committed_upon_is_told_by_what_is_new() -> None:
    told = told_of(shown(ONE, TWO, THREE))
    assert changes(told, shown(ONE, TWO, THREE, snapshot(4, 1))) == ["u:4"]


def test_where_the_snapshot_told_last_has_expired_all_that_is_newer_is_told() -> None:
    assert changes(told_of(shown(ONE)), shown(snapshot(2, None), THREE)) == ["u:2", "u:3"]


def test_where_what_a_table_was_taken_back_from_has_expired_nothing_old_is_told_as_new() -> None:
    assert changes(told_of(shown(ONE, TWO, THREE)), shown(ONE, TWO)) == ["u:2:7"]
    assert changes(told_of(shown(ONE, TWO, THREE)), shown(ONE, TWO, snapshot(4, 2))) == ["u:4"]


def test_other_columns_are_told_of_before_the_commit_that_came_with_them() -> None:
    told = told_of(shown(ONE))
    schema_changed, committed = table_changes(PLACE, NAME, told, shown(ONE, TWO, schema=WIDER)).tellings
    assert (schema_changed.event.before, schema_changed.event.after) == (SCHEMA, WIDER)
    assert committed.id == "u:2"


def test_a_schema_with_another_number_alone_is_no_change() -> None:
    told = told_of(shown(ONE))
    changed = table_changes(PLACE, NAME, told, shown(ONE, schema=SCHEMA.model_copy(update={"schema_id": 5})))
    assert changed.tellings == ()
    assert changed.state.table_schema.schema_id == 5


def test_of_a_table_of_the_first_format_snapshots_are_told_by_lineage_alone() -> None:
    one, two = (replace(each, sequence_number=0) for each in (ONE, TWO))
    assert changes(told_of(shown(one)), shown(one, two)) == ["u:2"]


def test_two_changes_to_the_same_columns_have_ids_of_their_own() -> None:
    told = told_of(shown(ONE))
    there = changes(told, shown(ONE, schema=WIDER))
    told = told_of(shown(ONE, schema=WIDER), told, 8)
    told = told_of(shown(ONE), told, 9)
    assert changes(told, shown(ONE, schema=WIDER)) != there


def test_a_table_that_is_gone_is_told_of_once() -> None:
    told = told_of(shown(ONE))
    (telling,) = table_changes(PLACE, NAME, told, None).tellings
    assert (telling.event.table_uuid, telling.event.last_snapshot_id) == ("u", 1)
    assert changes(told_of(None, told), None) == []


def test_a_table_in_the_place_of_another_is_told_of_as_two() -> None:
    told = told_of(shown(ONE, TWO))
    assert changes(told, shown(snapshot(5, None), uuid="v")) == [f"u:dropped:{NAME}:7", f"v:created:{NAME}:7", "v:5"]


def test_only_commits_that_change_rows_count_towards_maintenance() -> None:
    told = told_of(shown(ONE, TWO, snapshot(3, 2, maintenance=True)))
    assert told.state.commits_since_maintenance == 2
    table = shown(ONE, TWO, snapshot(3, 2, maintenance=True), current=2)
    assert told_of(table, told).state.commits_since_maintenance == 2  # taking a table back writes no files


class TestDrift:
    drift = (TableDrift(kind="missing_column", column="at"),)

    def checked(self, told: Told, table: ShownTable | None, drift: tuple[TableDrift, ...]):
        known = nothing_known(PLACE, NAME, table_changes(PLACE, NAME, told, table))
        return checked(known, told, "model.shop.orders", "sha256:a", drift)

    def test_it_is_told_when_it_comes_and_when_it_goes(self) -> None:
        first = self.checked(Told(), shown(ONE), self.drift)
        assert first.tellings[-1].event.drift == self.drift
        told = Told(first.state, 7)
        assert self.checked(told, shown(ONE), self.drift).tellings == ()
        (gone,) = self.checked(told, shown(ONE), ()).tellings
        assert gone.event.drift == ()
        assert gone.event.unique_id == "model.shop.orders"

    def test_of_a_table_that_is_not_there_it_is_remembered_without_an_id(self) -> None:
        changed = self.checked(Told(), None, self.drift)
        assert (changed.state.table_uuid, changed.state.drift) == ("", self.drift)
        assert changes(Told(changed.state, 7), shown(ONE)) == [f"u:created:{NAME}:7", "u:1"]

    def test_of_a_table_that_nobody_declares_any_more_it_is_forgotten(self) -> None:
        told = Told(self.checked(Told(), shown(ONE), self.drift).state, 7)
        silent = without_drift(table_changes(PLACE, NAME, told, shown(ONE)))
        assert (silent.tellings, silent.state.drift) == ((), ())


@pytest.mark.parametrize("length", [1, 2, 3])
def test_whatever_was_told_before_the_end_is_the_same(length: int) -> None:
    """Told step by step or at once, the commits and their ids are the same."""
    steps = [ONE, TWO, THREE][:length]
    told, ids = Told(), []
    for number in range(1, length + 1):
        table = shown(*steps[:number])
        ids += changes(told, table)
        told = told_of(table, told)
    assert ids == changes(Told(), shown(*steps))
