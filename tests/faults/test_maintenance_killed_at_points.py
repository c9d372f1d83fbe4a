"""The catalog service is killed while it maintains a table or rolls tables back.

Readers find the old state or the new one. The next service finishes what this one left, nothing is told twice, and what
lies on the disk for nobody is found and removed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from floe_chassis.blobs import open_blobs
from floe_chassis.bus import Bus
from floe_chassis.fault_points import FOLDER
from floe_chassis.nats_server import NatsServer
from floe_chassis.requests import ask
from floe_chassis.settings import ChassisSettings, load_settings
from floe_chassis.topology import TABLES_BUCKET
from floe_cli.stack.folders import StackFolder
from floe_contracts.catalog_requests import ROLL_BACK, RollBack
from floe_contracts.errors import FloeError
from floe_contracts.openlineage.naming import Place
from floe_contracts.subjects import EventKind
from floe_contracts.table_states import TableState, table_state_key
from floe_lakehouse.catalogs import open_catalog

from .conftest import Recovery
from .facts import ENVIRONMENT, TENANT, Facts, until
from .fault_points import ROUNDS, Points
from .processes import Stack, assert_gone
from .small_tables import SmallTable, compiled_product

COMMITS = 6
MANY = 40
"""So many that their files are deleted in more than one batch."""
_QUICK = {
    "FLOE_CATALOG_MAINTENANCE_SECONDS": "0.3",
    "FLOE_CATALOG_RECONCILE_SECONDS": "1",
    "FLOE_CATALOG_SNAPSHOT_GUARD_SECONDS": "0",
    "FLOE_LEASE_SECONDS": "10",
}
_MAINTENANCE = (
    ("compaction-planned", COMMITS),
    ("compaction-before-commit", COMMITS),
    ("compaction-done", COMMITS),
    ("expiry-before-commit", COMMITS),
    ("expiry-committed", COMMITS),
    ("expiry-deleting", MANY),
)


@pytest.fixture(scope="module")
def _catalog_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    root = tmp_path_factory.mktemp("catalog")
    server = NatsServer(root / "bus")
    server.start()
    (root / "points").mkdir()
    held = {FOLDER: str(root / "points")}
    environment = StackFolder(root).environment(server.url)
    # Its readers would hold on to snapshots that are to expire at once.
    del environment["FLOE_CATALOG_SERVE_DIR"]
    stack = Stack(root, environment | held | _QUICK, server)
    try:
        stack.floe("topology", "apply")
        yield stack
    finally:
        stack.stop()


@pytest.fixture
def catalog_stack(_catalog_stack: Stack) -> Stack:
    """A bus, and a catalog service that looks all the time what there is to do."""
    _catalog_stack.start("catalog")
    return _catalog_stack


@pytest.fixture
def settings(catalog_stack: Stack) -> ChassisSettings:
    """How to reach this stack; `bus` is a connection to it."""
    return load_settings(ChassisSettings, catalog_stack.environment)


@pytest.fixture
def lake(catalog_stack: Stack) -> dict[str, str]:
    """The catalog of this stack."""
    environment = catalog_stack.environment
    return {
        "type": "sql",
        "uri": environment["FLOE_CATALOG_URI"],
        "warehouse": environment["FLOE_CATALOG_WAREHOUSE"],
    }


@pytest.fixture
def catalog_facts(bus: Bus, lake: dict[str, str]) -> Facts:
    """What is true of this stack."""
    return Facts(bus, lake)


@pytest.fixture
def catalog_points(catalog_stack: Stack) -> Points:
    """Where its catalog service can be held."""
    return Points(catalog_stack.root / "points")


@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize(("point", "commits"), _MAINTENANCE, ids=[point for point, _ in _MAINTENANCE])
async def test_it_is_killed_while_it_maintains(
    catalog_stack: Stack,
    catalog_points: Points,
    catalog_facts: Facts,
    bus: Bus,
    lake: dict[str, str],
    settings: ChassisSettings,
    recovery: Recovery,
    point: str,
    commits: int,
    number: int,
) -> None:
    product = f"{point}-{number}"
    table = SmallTable(open_catalog(lake), product, "numbers")
    table.append(0, commits)
    catalog_points.arm(point)
    policy = {
        "after_commits": commits,
        "schedule": "0 0 29 2 *",
        "compaction": {"min_input_files": 2},
        "manifests": {"enabled": False},
        "expiry": {"max_age_days": 0, "min_snapshots": 1},
    }
    event = await compiled_product(open_blobs(settings.blobs_url), product, policy)
    await bus.publish(event, id=product)
    await catalog_points.until_reached(point)
    left = catalog_stack.kill("catalog")
    recovery()
    assert table.rows() == list(range(commits))
    assert table.files() == (commits if point in ("compaction-planned", "compaction-before-commit") else 1)
    assert_gone(left)
    catalog_stack.start("catalog")
    state = await until(lambda: _maintained(catalog_facts, table))
    assert state.commits_since_maintenance == 0
    assert table.rows() == list(range(commits))
    assert (table.files(), len(table.load().snapshots())) == (1, 1)
    await _assert_told_once(catalog_facts, table, commits)
    await _assert_swept(table)


async def _maintained(facts: Facts, table: SmallTable) -> TableState | None:
    bucket = await facts.bus.key_value(TABLES_BUCKET)
    entry = await bucket.get(table_state_key(Place(TENANT, ENVIRONMENT, table.product), table.identifier))
    state = TableState.model_validate_json(entry.value or b"", extra="ignore")
    return state if state.maintained_at else None


async def _assert_told_once(facts: Facts, table: SmallTable, commits: int) -> None:
    maintained = await facts.events(EventKind.TABLE_MAINTAINED, table.product)
    told = [(event.data["action"], event.data["outcome"]) for event in maintained]
    assert told == [("compaction", "done"), ("expiry", "done")]
    assert maintained[1].data["snapshots_removed"] == commits
    assert (maintained[0].data["files_before"], maintained[0].data["files_after"]) == (commits, 1)

    async def all_told() -> list[Any]:
        events = await facts.events(EventKind.TABLE_COMMITTED, table.product)
        return events if len(events) > commits else []

    committed = [event.data for event in await until(all_told)]
    assert len({event["snapshot_id"] for event in committed}) == len(committed) == commits + 1
    assert [event["maintenance"] for event in committed] == [False] * commits + [True]


async def _assert_swept(table: SmallTable) -> None:
    unheld = await asyncio.to_thread(table.unheld)
    assert table.sweep() == len(unheld)
    assert await asyncio.to_thread(table.unheld) == set()
    assert len(table.rows()) > 0


@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("point", ["rollback-journalled", "rollback-table-done"])
async def test_it_is_killed_while_it_rolls_back(
    catalog_stack: Stack,
    catalog_points: Points,
    catalog_facts: Facts,
    bus: Bus,
    lake: dict[str, str],
    settings: ChassisSettings,
    recovery: Recovery,
    point: str,
    number: int,
) -> None:
    product = f"{point}-{number}"
    catalog = open_catalog(lake)
    tables = [SmallTable(catalog, product, name) for name in ("one", "two", "three")]
    for table in tables:
        table.append(0, run="good")
        table.append(1, run="bad")
    event = await compiled_product(open_blobs(settings.blobs_url), product, {"enabled": False})
    await bus.publish(event, id=product)
    await until(lambda: _so_many(catalog_facts, EventKind.TABLE_COMMITTED, product, 6))
    catalog_points.arm(point)
    request = RollBack(product=product, to="run:good")
    asking = asyncio.create_task(ask(bus, ROLL_BACK, request, tenant=TENANT, environment=ENVIRONMENT, silence=5))
    await catalog_points.until_reached(point)
    left = catalog_stack.kill("catalog")
    recovery()
    assert_gone(left)
    with pytest.raises(FloeError):
        await asking
    done = 1 if point == "rollback-table-done" else 0
    assert sorted(table.rows() for table in tables) == [[0]] * done + [[0, 1]] * (3 - done)
    catalog_stack.start("catalog")
    told = await until(lambda: _so_many(catalog_facts, EventKind.TABLE_MAINTAINED, product, 3))
    assert [table.rows() for table in tables] == [[0]] * 3
    assert {event.data["identifier"] for event in told} == {table.identifier for table in tables}
    assert {(event.data["action"], event.data["outcome"]) for event in told} == {("rollback", "done")}


async def _so_many(facts: Facts, kind: EventKind, product: str, count: int) -> list[Any]:
    events = await facts.events(kind, product)
    assert len(events) <= count
    return events if len(events) == count else []
