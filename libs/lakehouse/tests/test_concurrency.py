from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyiceberg.catalog import Catalog

from floe_lakehouse.catalogs import ensure_namespace, open_catalog
from floe_lakehouse.errors import NewerRunLanded
from floe_lakehouse.landing import LandedTable, switch_table
from floe_lakehouse.snapshots import RUN_ID, list_tables
from floe_lakehouse.staged import StagedTable
from floe_lakehouse.testing.lake_under_test import at_once

Read = Callable[[], list[dict[str, Any]]]


def in_processes(properties: dict[str, str], journals: list[list[StagedTable]]) -> list[list[tuple[int, bool, int]]]:
    """What each process landed: snapshot id, whether it had been landed already, rows."""
    worker = Path(__file__).with_name("landing_worker.py")
    processes = [
        subprocess.Popen(
            [sys.executable, str(worker), json.dumps(properties), json.dumps([one.to_json() for one in journal])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for journal in journals
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return [[(entry[0], entry[1], entry[2]) for entry in json.loads(output)] for output in outputs]


def switcher(properties: dict[str, str], staged: StagedTable, sequence: int) -> Callable[[], LandedTable | None]:
    """A switch through a catalog of its own; None when a newer run was there already."""
    catalog = open_catalog(properties)

    def switch() -> LandedTable | None:
        try:
            return switch_table(catalog, staged, sequence=sequence, properties={}, fence=lambda: None)
        except NewerRunLanded:
            return None

    return switch


def runs_of(catalog: Catalog, identifier: Any) -> list[str]:
    return [s.summary.additional_properties[RUN_ID] for s in catalog.load_table(identifier).snapshots() if s.summary]


def test_threads_that_switch_the_same_run_land_it_once(
    stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any, properties: dict[str, str]
) -> None:
    switch(stage("select 0 as id", run_id="run-0"), sequence=0)
    staged = stage("select i::int as id from range(6) as rows(i)")

    landed = at_once([switcher(properties, staged, 1) for _ in range(4)])

    assert sorted(one.already_landed for one in landed) == [False, True, True, True]
    assert len({one.snapshot_id for one in landed}) == 1
    assert len(read()) == 6
    assert runs_of(catalog, identifier) == ["run-0", "run-1"]


def test_threads_that_create_the_same_table_land_it_once(
    stage: Any, read: Read, catalog: Catalog, identifier: Any, properties: dict[str, str]
) -> None:
    attempts = [stage("select i as id from range(6) as rows(i)", attempt=attempt) for attempt in (3, 2, 1)]

    landed = at_once([switcher(properties, staged, staged.attempt) for staged in attempts])

    assert sorted(one.already_landed for one in landed) == [False, True, True]
    assert len(read()) == 6
    assert runs_of(catalog, identifier) == ["run-1"]


def test_threads_that_switch_different_runs_never_go_back(
    stage: Any, read: Read, catalog: Catalog, identifier: Any, properties: dict[str, str]
) -> None:
    staged = [stage(f"select {number} as id", run_id=f"run-{number}") for number in (1, 2, 3, 4)]

    at_once([switcher(properties, one, number) for number, one in enumerate(staged, start=1)])

    assert read() == [{"id": 4}]
    runs = runs_of(catalog, identifier)
    assert runs == sorted(runs)


def test_processes_that_switch_the_same_journal_land_each_table_once(
    stage: Any, catalog: Catalog, identifier: Any, properties: dict[str, str]
) -> None:
    tables = [(*identifier[:-1], f"table_{number}") for number in range(3)]
    journal = [stage(f"from range({10 + number}) as rows(id)", identifier=table) for number, table in enumerate(tables)]

    first, second = in_processes(properties, [journal, journal])

    assert [one[0] for one in first] == [one[0] for one in second]
    assert [one[1] != other[1] for one, other in zip(first, second, strict=True)] == [True] * len(tables)
    assert list_tables(catalog, identifier[:-1]) == tuple(tables)
    assert [catalog.load_table(table).scan().count() for table in tables] == [10, 11, 12]


def test_processes_that_land_different_tables_never_find_the_catalog_locked(
    stage: Any, catalog: Catalog, identifier: Any, properties: dict[str, str]
) -> None:
    def journal(owner: str) -> list[StagedTable]:
        return [
            stage("select 1 as id", run_id=f"run-{number}", identifier=(*identifier[:-1], owner))
            for number in range(15)
        ]

    first, second = in_processes(properties, [journal("left"), journal("right")])

    assert [already for _, already, _ in first + second] == [False] * 30
    assert len(runs_of(catalog, (*identifier[:-1], "left"))) == 15


def test_a_new_catalog_may_be_opened_by_many_at_once(properties: dict[str, str]) -> None:
    def begin() -> None:
        catalog = open_catalog(properties)
        for product in ("shop", "stock"):
            ensure_namespace(catalog, ("acme", "dev", product), {"owner": "sales", "tier": "gold"})

    at_once([begin] * 6)

    catalog = open_catalog(properties)
    assert sorted(catalog.list_namespaces(("acme", "dev"))) == [("acme", "dev", "shop"), ("acme", "dev", "stock")]
    assert catalog.load_namespace_properties(("acme", "dev", "shop")) == {"owner": "sales", "tier": "gold"}


def test_processes_that_upsert_the_same_journal_land_it_once_and_leave_nothing(
    stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any, properties: dict[str, str], files_under: Any
) -> None:
    keyed = {"mode": "upsert", "unique_key": ("id",)}
    switch(stage("select i as id, 0 as n from range(100) r(i)", **keyed), sequence=0)
    journal = [stage("select i as id, 1 as n from range(50, 150) r(i)", run_id="run-2", **keyed)]

    first, second = in_processes(properties, [journal, journal])

    assert sorted([first[0][1], second[0][1]]) == [False, True]
    assert first[0][0] == second[0][0]
    assert sorted((row["id"], row["n"]) for row in read()) == [(i, int(i >= 50)) for i in range(150)]
    known = catalog.load_table(identifier).inspect.all_data_files().to_pylist()
    assert files_under("*.parquet") == sorted({Path(file["file_path"]).name for file in known})
