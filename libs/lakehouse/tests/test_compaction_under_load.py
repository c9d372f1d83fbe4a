"""Compaction and expiry beside writers that never stop, and compaction that is killed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.manifest import ManifestContent
from pyiceberg.table import TableProperties

from floe_chassis.testing_postgres import PostgresDatabase
from floe_lakehouse.catalogs import ensure_namespace, open_catalog
from floe_lakehouse.maintenance.compaction import CompactionOptions, compact_table
from floe_lakehouse.maintenance.expiry import ExpiryOptions, expire_snapshots
from floe_lakehouse.maintenance.manifests import rewrite_manifests
from floe_lakehouse.testing.rest_server import serving

NAME = ("acme", "dev", "orders")
ROWS = pa.schema([("id", pa.int64())])
WRITERS = 4
POINTS = ("planned", "rewritten", "fenced", "before-the-commit", "after-the-commit")
PATIENT = {
    TableProperties.COMMIT_NUM_RETRIES: "50",
    TableProperties.COMMIT_MIN_RETRY_WAIT_MS: "10",
    TableProperties.COMMIT_MAX_RETRY_WAIT_MS: "200",
}


@pytest.fixture(params=["sqlite", "postgres", "rest"])
def properties(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """What opens the catalog, in any process."""
    place = {"warehouse": str(tmp_path / "warehouse")}
    match request.param:
        case "sqlite":
            yield {"type": "sql", "uri": f"sqlite:///{tmp_path}/floe.db", **place}
        case "postgres":
            database: PostgresDatabase = request.getfixturevalue("postgres_database")
            yield {"type": "sql", "uri": database.url.replace("postgresql://", "postgresql+psycopg2://"), **place}
        case _:
            uri = f"sqlite:///{tmp_path}/rest.db?check_same_thread=false"
            with serving(SqlCatalog("rest", uri=uri, warehouse=(tmp_path / "warehouse").as_uri())) as server:
                yield server.properties


@pytest.fixture
def catalog(properties: dict[str, str]) -> Catalog:
    catalog = open_catalog(properties) if properties["type"] == "sql" else load_catalog("client", **properties)
    ensure_namespace(catalog, NAME[:-1], {})
    name = (".".join(NAME[:-1]), NAME[-1]) if isinstance(catalog, SqlCatalog) else NAME
    catalog.create_table(name, ROWS, properties=PATIENT)
    return catalog


def ids(catalog: Catalog) -> list[int]:
    return sorted(catalog.load_table(NAME).scan().to_arrow()["id"].to_pylist())


@contextmanager
def writing(properties: dict[str, str]) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that append, all begun at the same moment."""
    command = [sys.executable, str(Path(__file__).with_name("append_worker.py")), json.dumps(properties)]
    writers = [
        subprocess.Popen(
            [*command, json.dumps(NAME), str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for number in range(WRITERS)
    ]
    try:
        for writer in writers:
            assert writer.stdout
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            assert writer.stdin
            writer.stdin.write("go\n")
            writer.stdin.flush()
        yield writers
    finally:
        for writer in writers:
            writer.kill()


def test_every_acknowledged_row_is_there_after_compaction_and_expiry_beside_writers(
    catalog: Catalog, properties: dict[str, str]
) -> None:
    done: list[str] = []
    with writing(properties) as writers:
        while any(writer.poll() is None for writer in writers):
            done += [report.action for report in maintain(catalog) if report.outcome == "done"]
        acknowledged = sorted(one for writer in writers for one in json.loads(writer.communicate(timeout=60)[0]))

    assert [writer.returncode for writer in writers] == [0] * WRITERS
    assert len(acknowledged) > WRITERS * 50
    assert ids(catalog) == acknowledged
    assert {"compaction", "expiry"} <= set(done)
    maintain(catalog)
    assert ids(catalog) == acknowledged


def maintain(catalog: Catalog) -> list[Any]:
    now = int(time.time() * 1000)
    return [
        compact_table(catalog, NAME, CompactionOptions(2**20, 4), fence=lambda: None, tries=200),
        rewrite_manifests(catalog, NAME, 4, fence=lambda: None, tries=200),
        expire_snapshots(catalog, NAME, ExpiryOptions(now, 2, frozenset()), fence=lambda: None, tries=200),
    ]


@pytest.fixture
def unheld(tmp_path: Path, catalog: Catalog) -> Callable[[], list[str]]:
    """Data files, manifests and manifest lists in the storage that no snapshot holds."""

    def run() -> list[str]:
        table = catalog.load_table(NAME)
        held: set[str] = set()
        for snapshot in table.snapshots():
            held.add(snapshot.manifest_list)
            for manifest in snapshot.manifests(table.io):
                assert manifest.content == ManifestContent.DATA
                held.add(manifest.manifest_path)
                held.update(entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io))
        names = {Path(path).name for path in held}
        found = [*(tmp_path / "warehouse").rglob("*.parquet"), *(tmp_path / "warehouse").rglob("*.avro")]
        return sorted(path.name for path in found if path.name not in names)

    return run


@pytest.mark.parametrize("properties", ["sqlite"], indirect=True)
@pytest.mark.parametrize("point", POINTS)
def test_a_compaction_that_is_killed_leaves_the_old_or_the_new_state(
    catalog: Catalog, properties: dict[str, str], point: str, unheld: Callable[[], list[str]]
) -> None:
    for first in (0, 10, 20):
        catalog.load_table(NAME).append(pa.table({"id": list(range(first, first + 10))}, ROWS))
    worker = Path(__file__).with_name("compaction_worker.py")
    killed = subprocess.run([sys.executable, str(worker), json.dumps(properties), json.dumps(NAME), point])

    assert killed.returncode == -9
    assert ids(catalog) == list(range(30))
    after = catalog.load_table(NAME)
    assert len(after.snapshots()) == (4 if point == "after-the-commit" else 3)
    left = unheld()
    assert len([name for name in left if name.startswith("compaction-")]) == int(
        point in {"rewritten", "fenced", "before-the-commit"}
    )
    assert bool([name for name in left if name.endswith(".avro")]) == (point == "before-the-commit")

    again = compact_table(catalog, NAME, CompactionOptions(2**20, 2), fence=lambda: None)
    assert again.outcome == ("nothing_to_do" if point == "after-the-commit" else "done")
    assert ids(catalog) == list(range(30))
    assert unheld() == left
