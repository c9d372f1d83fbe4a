"""Snapshots that expire, and what others do to the table meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from pyiceberg.table import Table
from pyiceberg.table.statistics import StatisticsFile
from pyiceberg.table.update import AddSnapshotUpdate
from pyiceberg.types import LongType

from floe_contracts.errors import LeaseLost, Transient
from floe_lakehouse.catalogs import ensure_namespace
from floe_lakehouse.errors import FilesNotDeleted, MaintenanceConflict, ReferenceLost, TableMissing
from floe_lakehouse.history.references import branch_snapshot, tag_snapshot
from floe_lakehouse.history.rollback import rollback_table
from floe_lakehouse.maintenance.compaction import CompactionOptions, compact_table
from floe_lakehouse.maintenance.expiry import ExpiryOptions, expire_snapshots
from floe_lakehouse.maintenance.orphan_files import remove_orphans
from floe_lakehouse.maintenance.reachable import metadata_files, reachable_files
from floe_lakehouse.maintenance.reports import MaintenanceReport

ROWS = pa.schema([("id", pa.int64())])
NAME = ("acme", "dev", "orders")
EVER = 2**62


def always() -> None:
    """A fence that holds."""


@pytest.fixture
def catalog(every_catalog: Catalog) -> Catalog:
    return every_catalog


@pytest.fixture
def table(catalog: Catalog) -> Table:
    return made(catalog, snapshots=6)


def made(catalog: Catalog, snapshots: int, **properties: str) -> Table:
    """A table to which one row was appended, again and again."""
    ensure_namespace(catalog, NAME[:-1], {})
    name = (".".join(NAME[:-1]), NAME[-1]) if isinstance(catalog, SqlCatalog) else NAME
    table = catalog.create_table(name, ROWS, properties=properties)
    for number in range(snapshots):
        table.append(rows(number))
    return table


def rows(*ids: int) -> pa.Table:
    return pa.table({"id": list(ids)}, ROWS)


def expire(catalog: Catalog, least: int = 1, **changes: Any) -> MaintenanceReport:
    options = ExpiryOptions(changes.pop("older_than_ms", EVER), least, changes.pop("pinned", frozenset()))
    return expire_snapshots(catalog, NAME, options, **{"fence": always, **changes})


def append(catalog: Catalog, *ids: int) -> None:
    catalog.load_table(NAME).append(rows(*ids))


def compact(catalog: Catalog) -> MaintenanceReport:
    return compact_table(catalog, NAME, CompactionOptions(2**20, 2), fence=always)


def ids(catalog: Catalog, snapshot_id: int | None = None) -> list[int]:
    return sorted(catalog.load_table(NAME).scan(snapshot_id=snapshot_id).to_arrow()["id"].to_pylist())


def history(table: Table) -> list[int]:
    return [one.snapshot_id for one in table.metadata.snapshots]


class Once:
    """Does something the first time that it is called, as a fence or as progress."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work: Callable[[], Any] | None = work

    def __call__(self, *_: int) -> None:
        if self.work:
            work, self.work = self.work, None
            work()


@pytest.fixture
def stored(tmp_path: Path) -> Callable[[], set[str]]:
    return lambda: {f"file://{path}" for path in (tmp_path / "warehouse").rglob("*") if path.is_file()}


@pytest.fixture
def holds_what_it_stores(catalog: Catalog, stored: Any) -> Callable[[], None]:
    """All that the table reaches is there, and nothing else but old metadata."""

    def check() -> None:
        table = catalog.load_table(NAME)
        held = {file.path for file in reachable_files(table.io, table.metadata, table.metadata.snapshots)}
        there = {path for path in stored() if not path.endswith(".metadata.json")}
        assert there == held
        assert stored() >= set(metadata_files(table))

    return check


def test_old_snapshots_go_with_their_files(
    table: Table, catalog: Catalog, stored: Any, holds_what_it_stores: Any
) -> None:
    compact(catalog)
    before, seen = stored(), history(catalog.load_table(NAME))
    foretold = expire(catalog, dry_run=True)
    assert stored() == before

    told: list[tuple[int, int]] = []
    report = expire(catalog, progress=lambda done, total: told.append((done, total)))

    assert (report.outcome, report.snapshots_removed) == ("done", tuple(seen[:-1]))
    assert set(report.removed) == before - stored()
    assert len(report.removed) == 6 + 6 + 6  # data files, manifests, manifest lists
    assert set(foretold.removed) == set(report.removed)
    assert foretold.dry_run
    assert foretold.bytes_removed == report.bytes_removed > 0
    assert told == [(0, 18), (18, 18)]
    assert ids(catalog) == [*range(6)]
    holds_what_it_stores()
    again = expire(catalog)
    assert again.outcome == "nothing_to_do"
    assert (again.reason or "").startswith("no snapshot may go: those that are old enough are the newest")


@pytest.mark.parametrize("every_catalog", ["sqlite"], indirect=True)
def test_two_hundred_snapshots_of_a_parted_table_go(
    catalog: Catalog, tmp_path: Path, holds_what_it_stores: Any
) -> None:
    made(catalog, 0)
    with catalog.load_table(NAME).update_schema() as schema:
        schema.add_column("part", LongType())
    with catalog.load_table(NAME).update_spec() as spec:
        spec.add_identity("part")
    table = catalog.load_table(NAME)
    for start in range(0, 200, 20):
        with table.transaction() as several:
            for number in range(start, start + 20):
                several.append(pa.table({"id": [number, number + 1000], "part": [number % 4, 4]}))
        table.delete(f"id < {start + 19}")
    snapshots = len(history(table))
    assert snapshots > 200
    report = expire(catalog, least=3)

    assert len(report.snapshots_removed) == snapshots - 3
    assert len(history(catalog.load_table(NAME))) == 3
    assert ids(catalog) == [199, *range(1000, 1200)]
    holds_what_it_stores()


def test_what_is_young_or_needed_stays(table: Table, catalog: Catalog) -> None:
    first, second, third, _, fifth, last = history(table)
    moment = table.metadata.snapshot_by_id(fifth)
    assert moment
    assert expire(catalog, older_than_ms=0).outcome == "nothing_to_do"
    assert expire(catalog, least=6).outcome == "nothing_to_do"
    assert expire(catalog, least=5, dry_run=True).snapshots_removed == (first,)
    assert expire(
        catalog, older_than_ms=moment.timestamp_ms, pinned=frozenset({second}), dry_run=True
    ).snapshots_removed == (first,)
    tag_snapshot(catalog, NAME, "kept", third, fence=always)
    report = expire(catalog, older_than_ms=moment.timestamp_ms)

    assert third not in report.snapshots_removed
    assert history(catalog.load_table(NAME)) == [third, fifth, last]
    assert ids(catalog, third) == [0, 1, 2]
    assert ids(catalog) == [*range(6)]


def test_branches_and_tags_keep_what_they_say(table: Table, catalog: Catalog, holds_what_it_stores: Any) -> None:
    first, second, third, fourth, fifth, last = history(table)
    snapshots = table.manage_snapshots()
    snapshots.create_branch(third, "two", min_snapshots_to_keep=2).commit()
    table.manage_snapshots().create_branch(fourth, "young", max_snapshot_age_ms=10**12).commit()
    tag_snapshot(catalog, NAME, "over", first, max_age_ms=1, fence=always)
    time.sleep(0.005)
    assert expire(catalog, dry_run=True).snapshots_removed == (fifth,)
    branch_snapshot(catalog, NAME, "young", None, remove=True, fence=always)
    report = expire(catalog)

    assert report.refs_removed == ("over",)
    assert history(catalog.load_table(NAME)) == [second, third, last]
    assert set(catalog.load_table(NAME).refs()) == {"main", "two"}
    holds_what_it_stores()


def test_the_table_may_keep_more(catalog: Catalog) -> None:
    table = made(catalog, 5, **{"history.expire.min-snapshots-to-keep": "3"})
    expire(catalog)
    assert len(history(catalog.load_table(NAME))) == 3
    with catalog.load_table(NAME).transaction() as change:
        change.set_properties({"history.expire.max-snapshot-age-ms": "100000000", "x": "y"})
    append(catalog, 5, 6)
    assert expire(catalog).outcome == "nothing_to_do"
    assert table.name() == NAME


def test_a_table_whose_files_are_not_its_own_is_left_alone(catalog: Catalog, stored: Any) -> None:
    made(catalog, 3, **{"gc.enabled": "false"})
    before = stored()
    for report in (expire(catalog), remove_orphans(catalog, NAME, EVER, fence=always)):
        assert report.outcome == "unsupported"
        assert "gc.enabled" in str(report.reason)
    assert stored() == before


@pytest.mark.parametrize("at", ["commit", "deletion"])
def test_rows_appended_meanwhile_survive(table: Table, catalog: Catalog, at: str, holds_what_it_stores: Any) -> None:
    hook = Once(lambda: append(catalog, 100, 101))
    report = expire(catalog, **{"fence" if at == "commit" else "progress": hook})

    assert len(report.snapshots_removed) >= 5
    assert ids(catalog) == [*range(6), 100, 101]
    holds_what_it_stores()


@pytest.mark.parametrize("at", ["commit", "deletion"])
def test_a_compaction_meanwhile_is_kept(table: Table, catalog: Catalog, at: str, holds_what_it_stores: Any) -> None:
    report = expire(catalog, **{"fence" if at == "commit" else "progress": Once(lambda: compact(catalog))})

    assert len(report.snapshots_removed) >= 5
    assert ids(catalog) == [*range(6)]
    expire(catalog)
    holds_what_it_stores()


def test_a_tag_on_a_snapshot_that_is_just_going_keeps_it(
    table: Table, catalog: Catalog, holds_what_it_stores: Any
) -> None:
    first, second, *_ = history(table)
    tag = Once(lambda: tag_snapshot(catalog, NAME, "audit", second, max_age_ms=10**12, fence=always))
    report = expire(catalog, fence=tag)

    assert first in report.snapshots_removed
    assert second not in report.snapshots_removed
    found = catalog.load_table(NAME).refs()["audit"]
    assert (found.snapshot_id, found.max_ref_age_ms) == (second, 10**12)
    assert ids(catalog, second) == [0, 1]
    append(catalog, 100)
    assert ids(catalog) == [*range(6), 100]
    holds_what_it_stores()


@pytest.mark.parametrize("every_catalog", ["rest"], indirect=True)
def test_a_tag_that_cannot_be_brought_back_costs_no_file(
    table: Table, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, stored: Any
) -> None:
    commit, second = catalog.commit_table, history(table)[1]

    def refusing(table: Table, requirements: Any, updates: Any) -> Any:
        if any(isinstance(update, AddSnapshotUpdate) for update in updates):
            raise ValueError("a snapshot comes with its data, or not at all")
        return commit(table, requirements, updates)

    compact(catalog)
    before = {path for path in stored() if not path.endswith(".metadata.json")}
    monkeypatch.setattr(catalog, "commit_table", refusing)
    with pytest.raises(ReferenceLost, match=rf"FLOE-LAKE-081.*audit.*{second}.*no file was deleted.*snap-"):
        expire(catalog, fence=Once(lambda: tag_snapshot(catalog, NAME, "audit", second, fence=always)))
    assert {path for path in stored() if not path.endswith(".metadata.json")} == before


def test_a_tag_can_not_be_given_to_what_has_gone(table: Table, catalog: Catalog) -> None:
    def tag() -> None:
        with pytest.raises(Exception, match="FLOE-LAKE-040"):
            tag_snapshot(catalog, NAME, "late", history(table)[0], fence=always)

    assert len(expire(catalog, progress=Once(tag)).snapshots_removed) == 5


@pytest.mark.parametrize("depth", [0, 2])
def test_a_rollback_meanwhile_is_seen(table: Table, catalog: Catalog, depth: int, holds_what_it_stores: Any) -> None:
    seen = history(table)
    back = Once(lambda: rollback_table(catalog, NAME, seen[depth], fence=always))
    expire(catalog, fence=back)

    assert ids(catalog) == [*range(depth + 1)]
    holds_what_it_stores()


def test_a_rollback_between_commit_and_deletion_reads(
    table: Table, catalog: Catalog, holds_what_it_stores: Any
) -> None:
    seen = history(table)
    back = Once(lambda: rollback_table(catalog, NAME, seen[3], fence=always))
    expire(catalog, least=3, progress=back)

    assert ids(catalog) == [0, 1, 2, 3]
    holds_what_it_stores()


def test_another_expiry_meanwhile_does_no_harm(table: Table, catalog: Catalog, holds_what_it_stores: Any) -> None:
    report = expire(catalog, fence=Once(lambda: expire(catalog, least=3)))

    assert len(report.snapshots_removed) == 2
    assert ids(catalog) == [*range(6)]
    holds_what_it_stores()


def test_whoever_lost_the_lease_changes_nothing(table: Table, catalog: Catalog, stored: Any) -> None:
    before = stored()

    def lost() -> None:
        raise LeaseLost("somebody else maintains the table")

    with pytest.raises(LeaseLost):
        expire(catalog, fence=lost)
    assert stored() == before
    assert len(history(catalog.load_table(NAME))) == 6


def test_what_is_left_after_a_stop_is_found_as_orphans(
    table: Table, catalog: Catalog, stored: Any, holds_what_it_stores: Any
) -> None:
    compact(catalog)

    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        expire(catalog, progress=stop)
    assert ids(catalog) == [*range(6)]
    assert len(history(catalog.load_table(NAME))) == 1
    before = stored()
    report = remove_orphans(catalog, NAME, EVER, fence=always)

    assert report.outcome == "done"
    assert set(report.removed) == before - stored()
    assert len(report.removed) == 18
    assert ids(catalog) == [*range(6)]
    holds_what_it_stores()


def test_an_unknown_outcome_is_looked_up(
    table: Table, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, holds_what_it_stores: Any
) -> None:
    commit = catalog.commit_table
    asked = []

    def silent(*arguments: Any) -> Any:
        asked.append(commit(*arguments))
        raise CommitStateUnknownException("the line broke")

    monkeypatch.setattr(catalog, "commit_table", silent)
    report = expire(catalog)

    assert len(asked) == 1
    assert len(report.snapshots_removed) == 5
    holds_what_it_stores()


def test_losing_every_time_is_told(table: Table, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> Any:
        raise CommitFailedException("others were faster")

    monkeypatch.setattr(catalog, "commit_table", refused)
    with pytest.raises(MaintenanceConflict, match=r"FLOE-LAKE-070.*3 times"):
        expire(catalog, tries=3)
    assert len(history(catalog.load_table(NAME))) == 6


def test_files_that_cannot_be_deleted_are_told(table: Table, catalog: Catalog) -> None:
    compact(catalog)
    expendable = expire(catalog, dry_run=True).removed
    stubborn = Path(next(file for file in expendable if file.endswith(".parquet")).removeprefix("file://"))
    stubborn.unlink()
    stubborn.mkdir()
    with pytest.raises(FilesNotDeleted, match=rf"FLOE-LAKE-080.*1 of 18.*{stubborn.name}") as caught:
        expire(catalog)

    assert isinstance(caught.value, Transient)
    assert not [file for file in expendable if Path(file.removeprefix("file://")).is_file()]
    assert ids(catalog) == [*range(6)]


def test_files_that_are_gone_already_are_passed_over(table: Table, catalog: Catalog) -> None:
    compact(catalog)
    expendable = expire(catalog, dry_run=True).removed
    manifest_list = next(file for file in expendable if "/snap-" in file)
    data = next(file for file in expendable if file.endswith(".parquet"))
    for file in (manifest_list, data):
        Path(file.removeprefix("file://")).unlink()
    report = expire(catalog)

    assert (report.outcome, len(report.snapshots_removed)) == ("done", 6)
    assert data not in report.removed
    assert ids(catalog) == [*range(6)]


def test_a_table_that_lost_a_manifest_loses_no_more(table: Table, catalog: Catalog, stored: Any) -> None:
    compact(catalog)
    current = catalog.load_table(NAME).current_snapshot()
    assert current
    Path(current.manifests(table.io)[0].manifest_path.removeprefix("file://")).unlink()
    data = {path for path in stored() if path.endswith(".parquet")}
    with pytest.raises(FileNotFoundError):
        expire(catalog)
    assert {path for path in stored() if path.endswith(".parquet")} == data


def test_statistics_go_with_their_snapshot(table: Table, catalog: Catalog, tmp_path: Path, stored: Any) -> None:
    for number, snapshot_id in enumerate((history(table)[0], history(table)[-1])):
        file = tmp_path / "warehouse" / f"{number}.stats"
        file.write_bytes(b"puffin")
        statistics = StatisticsFile(
            **{
                "snapshot-id": snapshot_id,
                "statistics-path": file.as_uri(),
                "file-size-in-bytes": 6,
                "file-footer-size-in-bytes": 1,
                "blob-metadata": [],
            }
        )
        with table.update_statistics() as update:
            update.set_statistics(statistics)
    report = expire(catalog)

    assert {path for path in report.removed if path.endswith(".stats")} == {(tmp_path / "warehouse/0.stats").as_uri()}
    assert {path for path in stored() if path.endswith(".stats")} == {(tmp_path / "warehouse/1.stats").as_uri()}


def test_a_missing_table_is_told(catalog: Catalog) -> None:
    for call in (expire, lambda catalog: remove_orphans(catalog, NAME, EVER, fence=always)):
        with pytest.raises(TableMissing, match=r"FLOE-LAKE-004.*acme\.dev\.orders"):
            call(catalog)


def test_a_schema_of_then_is_no_obstacle(table: Table, catalog: Catalog, holds_what_it_stores: Any) -> None:
    with table.update_schema() as schema:
        schema.add_column("amount", LongType())
    table.append(pa.table({"id": [6], "amount": [1]}))
    expire(catalog)

    assert ids(catalog) == [*range(7)]
    holds_what_it_stores()
