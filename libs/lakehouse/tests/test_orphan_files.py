"""Files that no table reaches, and those that only look like it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from floe_contracts.errors import LeaseLost
from floe_lakehouse.catalogs import ensure_namespace
from floe_lakehouse.maintenance.compaction import CompactionOptions, compact_table
from floe_lakehouse.maintenance.expiry import ExpiryOptions, expire_snapshots
from floe_lakehouse.maintenance.orphan_files import remove_orphans
from floe_lakehouse.maintenance.reachable import reachable_files
from floe_lakehouse.maintenance.reports import MaintenanceReport

WORKER = Path(__file__).with_name("history_worker.py")
ROWS = pa.schema([("id", pa.int64())])
NAME = ("acme", "dev", "orders")
SPELLED = ("acme.dev", "orders")  # as pyiceberg's SQL catalog takes it where it creates
EVER = 2**62


def always() -> None:
    """A fence that holds."""


def orphans(catalog: Catalog, older_than_ms: int = EVER, **options: Any) -> MaintenanceReport:
    return remove_orphans(catalog, NAME, older_than_ms, **{"fence": always, **options})


@pytest.fixture
def table(catalog: Catalog) -> Table:
    """Three files of a row each."""
    ensure_namespace(catalog, NAME[:-1], {})
    table = catalog.create_table(SPELLED, ROWS)
    for number in range(3):
        table.append(rows(number))
    return table


def rows(*ids: int) -> pa.Table:
    return pa.table({"id": list(ids)}, ROWS)


def ids(catalog: Catalog, name: tuple[str, ...] = NAME) -> list[int]:
    return sorted(catalog.load_table(name).scan().to_arrow()["id"].to_pylist())


@pytest.fixture
def place(table: Table) -> Path:
    return Path(table.location().removeprefix("file://"))


@pytest.fixture
def stray(place: Path) -> Callable[..., str]:
    """Puts a file under the table's location."""

    def put(name: str, content: bytes = b"left", seconds_ago: float = 3600) -> str:
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        os.utime(file, (time.time() - seconds_ago,) * 2)
        return f"file://{file}"

    return put


def files(place: Path) -> set[str]:
    return {f"file://{path}" for path in place.rglob("*") if path.is_file()}


def test_what_nothing_reaches_goes(table: Table, catalog: Catalog, place: Path, stray: Any) -> None:
    expected = {stray("data/run-9-1/a.parquet"), stray("data/x=1/b.parquet", b"more"), stray("metadata/m.avro")}
    before = files(place)
    foretold = orphans(catalog, dry_run=True)
    assert files(place) == before
    told: list[tuple[int, int]] = []
    report = orphans(catalog, progress=lambda done, total: told.append((done, total)))

    assert set(report.removed) == set(foretold.removed) == expected == before - files(place)
    assert (report.outcome, report.bytes_removed) == ("done", 12)
    assert (report.files_before, report.files_after) == (len(before), len(before) - 3)
    assert report.bytes_before - report.bytes_after == 12
    assert told == [(0, 3), (3, 3)]
    assert ids(catalog) == [0, 1, 2]
    assert (orphans(catalog).outcome, orphans(catalog).reason) == ("nothing_to_do", "no file is left over")


def test_young_files_are_not_touched(table: Table, catalog: Catalog, stray: Any) -> None:
    old = stray("data/old.parquet", seconds_ago=7200)
    stray("data/young.parquet", seconds_ago=60)
    an_hour_ago = int((time.time() - 3600) * 1000)

    assert orphans(catalog, an_hour_ago).removed == (old,)


def test_files_beside_the_tables_own_folders_are_not_touched(
    table: Table, catalog: Catalog, place: Path, stray: Any
) -> None:
    kept = {stray("README"), stray("other/data/x.parquet"), stray("metadata/version-hint.text")}
    beside = place.parent / "beside.parquet"
    beside.write_bytes(b"not ours")

    assert orphans(catalog).outcome == "nothing_to_do"
    assert kept <= files(place)
    assert beside.exists()


def test_old_metadata_goes_once_the_log_has_forgotten_it(catalog: Catalog) -> None:
    ensure_namespace(catalog, NAME[:-1], {})
    table = catalog.create_table(SPELLED, ROWS, properties={"write.metadata.previous-versions-max": "2"})
    for number in range(5):
        table.append(rows(number))
    report = orphans(catalog)

    assert len(report.removed) == 3
    assert all(file.endswith(".metadata.json") for file in report.removed)
    assert ids(catalog) == [*range(5)]


def test_what_is_committed_while_it_looks_stays(table: Table, catalog: Catalog, stray: Any) -> None:
    left = stray("data/left.parquet")
    seen: list[int] = []

    def append() -> None:
        catalog.load_table(NAME).append(rows(7))
        seen.append(7)

    report = orphans(catalog, fence=append)
    assert (report.removed, seen) == ((left,), [7])
    assert ids(catalog) == [0, 1, 2, 7]


def test_an_orphan_that_is_added_to_the_table_meanwhile_stays(
    table: Table, catalog: Catalog, place: Path, stray: Any
) -> None:
    source = next((place / "data").glob("*.parquet"))
    mine = stray("data/mine.parquet", source.read_bytes())
    report = orphans(catalog, fence=lambda: catalog.load_table(NAME).add_files([mine]))

    assert report.removed == ()
    assert len(ids(catalog)) == 4


def test_whoever_lost_the_lease_deletes_nothing(table: Table, catalog: Catalog, place: Path, stray: Any) -> None:
    stray("data/left.parquet")
    before = files(place)

    def lost() -> None:
        raise LeaseLost("somebody else")

    with pytest.raises(LeaseLost):
        orphans(catalog, fence=lost)
    assert files(place) == before


def test_two_tables_at_one_location_are_left_alone(table: Table, catalog: Catalog, place: Path, stray: Any) -> None:
    stray("data/left.parquet")
    twin = catalog.create_table(("acme.dev", "twin"), ROWS, location=table.location())
    twin.append(rows(9))
    before = files(place)
    report = orphans(catalog)

    assert (report.outcome, report.reason) == ("unsupported", "acme.dev.twin stands at the same location")
    assert files(place) == before
    assert ids(catalog, ("acme", "dev", "twin")) == [9]


def test_a_table_inside_of_the_tables_folders_is_left_alone(table: Table, catalog: Catalog, place: Path) -> None:
    inner = catalog.create_table(("acme.dev", "inner"), ROWS, location=f"{table.location()}/data/inner")
    inner.append(rows(9))
    before = files(place)
    report = orphans(catalog)

    assert report.outcome == "unsupported"
    assert "another table stands inside" in str(report.reason)
    assert files(place) == before


def test_a_dropped_table_of_the_same_place_keeps_its_files(
    table: Table, catalog: Catalog, place: Path, stray: Any
) -> None:
    catalog.drop_table(NAME)
    kept = files(place)
    catalog.create_table(SPELLED, ROWS).append(rows(5))
    left = stray("data/left.parquet")
    report = orphans(catalog)

    assert (report.outcome, report.removed) == ("done", (left,))
    assert kept <= files(place)
    assert ids(catalog) == [5]


def test_metadata_that_was_never_written_to_its_end_is_an_orphan(
    table: Table, catalog: Catalog, place: Path, stray: Any
) -> None:
    whole = Path(table.metadata_location.removeprefix("file://")).read_bytes()
    expected = {
        stray("metadata/00009-a.metadata.json", whole[:400]),
        stray("metadata/00009-b.metadata.json", b""),
        stray("metadata/00009-c.gz.metadata.json", b"\x1f\x8b\x08"),
    }
    assert set(orphans(catalog).removed) == expected


def test_a_location_that_is_reached_through_a_link_is_the_same(
    table: Table, catalog: Catalog, place: Path, tmp_path: Path, stray: Any
) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "warehouse")
    source = next((place / "data").glob("*.parquet"))
    target = place / "data" / "through-the-link.parquet"
    shutil.copy(source, target)
    spelled = str(target).replace(str(tmp_path / "warehouse"), str(link))
    table.add_files([f"file://{spelled}"])

    assert orphans(catalog).outcome == "nothing_to_do"
    assert target.exists()


def test_a_file_that_may_have_two_locations_is_left_alone(
    table: Table, catalog: Catalog, place: Path, tmp_path: Path, stray: Any
) -> None:
    source = next((place / "data").glob("*.parquet"))
    elsewhere = tmp_path / "mounted-elsewhere" / "copy.parquet"
    elsewhere.parent.mkdir()
    shutil.copy(source, elsewhere)
    table.add_files([f"file://{elsewhere}"])
    same = stray("data/copy.parquet", source.read_bytes())
    report = orphans(catalog)

    assert report.outcome == "unsupported"
    assert same in str(report.reason)
    assert report.removed == ()


def test_files_outside_of_the_location_are_unsupported(catalog: Catalog, tmp_path: Path) -> None:
    ensure_namespace(catalog, NAME[:-1], {})
    aside = {"write.data.path": f"file://{tmp_path}/d", "write.metadata.path": f"file://{tmp_path}/m"}
    catalog.create_table(SPELLED, ROWS, properties=aside).append(rows(1))

    assert orphans(catalog).outcome == "unsupported"


def die_at(properties: dict[str, str], action: str, point: str, snapshot: int = 0) -> None:
    command = [sys.executable, str(WORKER), json.dumps(properties), json.dumps(NAME), action, point, str(snapshot)]
    done = subprocess.run(command, check=False, capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


@pytest.mark.parametrize("point", ["commit", "committed", "deleting", "end"])
def test_an_expiry_that_is_killed_leaves_the_table_whole(
    catalog: Catalog, properties: dict[str, str], point: str, place: Path, table: Table
) -> None:
    with table.transaction() as several:
        for number in range(3, 60):
            several.append(rows(number))
    compact_table(catalog, NAME, CompactionOptions(2**20, 2), fence=always)
    die_at(properties, "expiry", point)

    assert ids(catalog) == [*range(60)]
    assert len(catalog.load_table(NAME).metadata.snapshots) == (61 if point == "commit" else 1)
    report = orphans(catalog)
    assert bool(report.removed) == (point in {"committed", "deleting"})
    expire_snapshots(catalog, NAME, ExpiryOptions(EVER, 1), fence=always)
    assert ids(catalog) == [*range(60)]
    now = catalog.load_table(NAME)
    held = {file.path for file in reachable_files(now.io, now.metadata, now.metadata.snapshots)}
    assert {file for file in files(place) if not file.endswith(".metadata.json")} == held


def test_a_removal_of_orphans_that_is_killed_is_finished_by_the_next(
    catalog: Catalog, properties: dict[str, str], stray: Any, table: Table
) -> None:
    for number in range(150):
        stray(f"data/{number:03}.parquet")
    die_at(properties, "orphans", "deleting")

    assert len(orphans(catalog).removed) == 50
    assert ids(catalog) == [0, 1, 2]


@pytest.mark.parametrize(("point", "expected"), [("commit", [0, 1, 2]), ("end", [0])])
def test_a_rollback_that_is_killed_has_happened_or_not(
    catalog: Catalog, properties: dict[str, str], point: str, expected: list[int], table: Table
) -> None:
    die_at(properties, "rollback", point, table.metadata.snapshots[0].snapshot_id)

    assert ids(catalog) == expected
    assert orphans(catalog).outcome == "nothing_to_do"
