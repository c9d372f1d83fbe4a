"""What others do to a table while it is compacted: the interleavings that lose rows where one reads and overwrites."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitStateUnknownException
from pyiceberg.table import Table
from pyiceberg.types import LongType

from floe_chassis.testing_postgres import PostgresDatabase
from floe_contracts.errors import LeaseLost
from floe_lakehouse.catalogs import ensure_namespace, open_catalog
from floe_lakehouse.errors import MaintenanceConflict
from floe_lakehouse.maintenance.compaction import CompactionOptions, compact_table
from floe_lakehouse.maintenance.reports import MaintenanceReport
from floe_lakehouse.snapshots import data_files
from floe_lakehouse.tables import RETRIES_OFF
from floe_lakehouse.testing.rest_server import serving

ROWS = pa.schema([("id", pa.int64())])
NAME = ("acme", "dev", "orders")


def rows(*ids: int) -> pa.Table:
    return pa.table({"id": list(ids)}, ROWS)


@pytest.fixture(params=["sqlite", "postgres", "rest"])
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalog]:
    place = {"warehouse": str(tmp_path / "warehouse")}
    match request.param:
        case "sqlite":
            yield open_catalog({"type": "sql", "uri": f"sqlite:///{tmp_path}/floe.db", **place})
        case "postgres":
            database: PostgresDatabase = request.getfixturevalue("postgres_database")
            uri = database.url.replace("postgresql://", "postgresql+psycopg2://")
            yield open_catalog({"type": "sql", "uri": uri, **place})
        case _:
            uri = f"sqlite:///{tmp_path}/rest.db?check_same_thread=false"
            served = SqlCatalog("rest", uri=uri, warehouse=(tmp_path / "warehouse").as_uri())
            with serving(served) as server:
                yield load_catalog("client", **server.properties)


@pytest.fixture
def table(catalog: Catalog) -> Table:
    """Three files: 0 to 9, 10 to 19, 20 to 29. pyiceberg may retry commits to it."""
    ensure_namespace(catalog, NAME[:-1], {})
    name = (".".join(NAME[:-1]), NAME[-1]) if isinstance(catalog, SqlCatalog) else NAME
    made = catalog.create_table(name, ROWS)
    for first in (0, 10, 20):
        made.append(rows(*range(first, first + 10)))
    return made


class Once:
    """Does something the first time that it is called, as a fence or as progress."""

    def __init__(self, work: Callable[[], Any], *, after: int = 0) -> None:
        self.work = work
        self.called = 0
        self.after = after

    def __call__(self, *_: int) -> None:
        self.called += 1
        if self.called == self.after + 1:
            self.work()


def compact(catalog: Catalog, **changes: Any) -> MaintenanceReport:
    options = changes.pop("options", CompactionOptions(2**20, 2))
    return compact_table(catalog, NAME, options, **{"fence": lambda: None, **changes})


def ids(catalog: Catalog, **scan: Any) -> list[int]:
    return sorted(catalog.load_table(NAME).scan(**scan).to_arrow()["id"].to_pylist())


@pytest.fixture
def unheld(tmp_path: Path, catalog: Catalog) -> Callable[[], set[str]]:
    """Data files that are in the storage and in no snapshot."""

    def run() -> set[str]:
        table = catalog.load_table(NAME)
        held = {Path(path).name for path in data_files(table, *table.metadata.snapshots)}
        return {path.name for path in (tmp_path / "warehouse").rglob("*.parquet")} - held

    return run


def test_rows_that_are_appended_meanwhile_survive(table: Table, catalog: Catalog, unheld: Any) -> None:
    def append() -> None:
        for first in (100, 200):
            catalog.load_table(NAME).append(rows(*range(first, first + 10)))

    fence = Once(append)
    report = compact(catalog, fence=fence)

    assert ids(catalog) == [*range(30), *range(100, 110), *range(200, 210)]
    assert (report.files_before, report.files_after) == (3, 1)
    assert unheld() == set()


def test_rows_that_are_appended_between_the_look_at_the_table_and_the_commit_survive(
    table: Table, catalog: Catalog, unheld: Any
) -> None:
    """The fence is asked after the look; the commit finds another snapshot and looks again."""
    fence = Once(lambda: catalog.load_table(NAME).append(rows(100)))
    compact(catalog, fence=fence)
    assert fence.called == 2
    assert ids(catalog) == [*range(30), 100]
    assert unheld() == set()


def test_rows_that_are_deleted_meanwhile_stay_deleted(table: Table, catalog: Catalog, unheld: Any) -> None:
    fence = Once(lambda: catalog.load_table(NAME).delete("id in (3, 4)"))
    report = compact(catalog, fence=fence)
    assert ids(catalog) == [i for i in range(30) if i not in {3, 4}]
    assert report.outcome == "done"
    assert unheld() == set()


def test_only_the_group_that_others_changed_is_planned_again(table: Table, catalog: Catalog) -> None:
    for first in range(30, 60, 10):
        table.append(rows(*range(first, first + 10)))
    sizes = table.inspect.files()["file_size_in_bytes"].to_pylist()
    told: list[int] = []
    compact(
        catalog,
        options=CompactionOptions(3 * max(sizes) + 10, 2),
        fence=Once(lambda: catalog.load_table(NAME).delete("id = 35")),
        progress=lambda done, total: told.append(done),
    )
    assert ids(catalog) == [i for i in range(60) if i != 35]
    assert len(list(catalog.load_table(NAME).scan().plan_files())) == 2
    assert told[-1] < 3 * sum(sizes) / 2 + 100


def test_an_overwrite_meanwhile_wins(table: Table, catalog: Catalog, unheld: Any) -> None:
    fence = Once(lambda: catalog.load_table(NAME).overwrite(rows(1000, 1001)))
    report = compact(catalog, fence=fence)
    assert ids(catalog) == [1000, 1001]
    assert (report.outcome, report.files_before) == ("nothing_to_do", 0)
    assert unheld() == set()


def test_a_table_that_is_emptied_and_filled_meanwhile_keeps_its_new_rows(table: Table, catalog: Catalog) -> None:
    def refill() -> None:
        catalog.load_table(NAME).delete()
        for number in range(3):
            catalog.load_table(NAME).append(rows(number))

    assert compact(catalog, fence=Once(refill)).files_before == 3
    assert ids(catalog) == [0, 1, 2]


def test_a_rollback_meanwhile_is_respected(table: Table, catalog: Catalog) -> None:
    first = table.history()[0].snapshot_id

    def roll_back() -> None:
        catalog.load_table(NAME).manage_snapshots().set_current_snapshot(snapshot_id=first).commit()

    compact(catalog, fence=Once(roll_back))
    assert ids(catalog) == list(range(10))


@pytest.mark.parametrize("moment", ["before the files are read", "before the commit"])
def test_the_expiry_of_the_snapshot_that_was_planned_from_loses_nothing(
    table: Table, catalog: Catalog, moment: str, tmp_path: Path, unheld: Any
) -> None:
    """An overwrite leaves the planned files to the old snapshots, which expire, and their files go at once."""

    def overwrite_and_expire() -> None:
        planned = catalog.load_table(NAME).metadata.snapshots
        catalog.load_table(NAME).overwrite(rows(*range(1000, 1010)))
        catalog.load_table(NAME).maintenance.expire_snapshots().by_ids([one.snapshot_id for one in planned]).commit()
        held = {Path(path).name for path in data_files(table, catalog.load_table(NAME).current_snapshot())}  # type: ignore[arg-type]
        for path in (tmp_path / "warehouse").rglob("*.parquet"):
            if path.name not in held and not path.name.startswith("compaction-"):
                path.unlink()
        for number in (1, 2):
            catalog.load_table(NAME).append(rows(number))

    hook = Once(overwrite_and_expire)
    report = compact(catalog, **{"progress" if moment.endswith("read") else "fence": hook})

    assert ids(catalog) == [1, 2, *range(1000, 1010)]
    assert (report.files_before, report.files_after) == (3, 1)
    assert unheld() == set()


def test_columns_that_are_renamed_added_and_dropped_meanwhile(catalog: Catalog, table: Table) -> None:
    with table.update_schema() as update:
        update.add_column("other", LongType())
        update.add_column("third", LongType())
    wide = pa.schema([("id", pa.int64()), ("other", pa.int64()), ("third", pa.int64())])
    catalog.load_table(NAME).append(pa.table({"id": [30], "other": [1], "third": [2]}, wide))

    def change() -> None:
        with catalog.load_table(NAME).update_schema() as update:
            update.rename_column("other", "one")
            update.delete_column("third")
        with catalog.load_table(NAME).update_schema() as update:
            update.add_column("third", LongType())

    compact(catalog, fence=Once(change))
    (last,) = catalog.load_table(NAME).scan("id = 30").to_arrow().to_pylist()
    assert last == {"id": 30, "one": 1, "third": None}
    assert len(list(catalog.load_table(NAME).scan().plan_files())) == 1


def test_two_compactions_at_once_rewrite_once(table: Table, catalog: Catalog, unheld: Any) -> None:
    inner: list[MaintenanceReport] = []
    outer = compact(catalog, fence=Once(lambda: inner.append(compact(catalog))))
    assert [inner[0].outcome, outer.outcome] == ["done", "nothing_to_do"]
    assert ids(catalog) == list(range(30))
    assert unheld() == set()


def test_a_table_that_always_changes_is_given_up(table: Table, catalog: Catalog, unheld: Any) -> None:
    def change() -> None:
        for number in range(3):
            catalog.load_table(NAME).overwrite(rows(number), overwrite_filter="id >= 0")
        catalog.load_table(NAME).append(rows(3))

    with pytest.raises(MaintenanceConflict, match="FLOE-LAKE-070"):
        compact(catalog, fence=change, tries=3)
    assert ids(catalog) == [2, 3]
    assert unheld() == set()


@pytest.mark.parametrize("hook", ["fence", "progress"])
def test_what_a_hook_raises_ends_it_without_a_trace(table: Table, catalog: Catalog, unheld: Any, hook: str) -> None:
    def lost() -> None:
        raise LeaseLost("somebody else has it")

    with pytest.raises(LeaseLost):
        compact(catalog, **{hook: Once(lost, after=int(hook == "progress"))})
    assert len(catalog.load_table(NAME).snapshots()) == 3
    assert unheld() == set()


@pytest.mark.parametrize("arrived", [True, False], ids=["arrived", "lost"])
def test_a_commit_of_which_the_answer_is_lost_is_made_once(
    table: Table, catalog: Catalog, arrived: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = Table._do_commit, []

    def commit(self: Table, *args: Any, **named: Any) -> None:
        calls.append(1)
        if arrived or len(calls) > 1:
            real(self, *args, **named)
        if len(calls) == 1:
            raise CommitStateUnknownException("no answer")

    monkeypatch.setattr(Table, "_do_commit", commit)
    report = compact(catalog)
    assert len(calls) == (1 if arrived else 2)
    assert (report.outcome, report.files_after) == ("done", 1)
    assert ids(catalog) == list(range(30))
    assert len(catalog.load_table(NAME).snapshots()) == 4


def test_properties_that_let_pyiceberg_retry_do_not(table: Table, catalog: Catalog) -> None:
    """Its retry would not ask the fence again."""
    assert not table.properties.items() >= RETRIES_OFF.items()
    fence = Once(lambda: catalog.load_table(NAME).append(rows(99)))
    compact(catalog, fence=fence)
    assert fence.called == 2
    assert catalog.load_table(NAME).properties == table.properties
