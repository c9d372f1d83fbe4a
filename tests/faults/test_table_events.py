"""The catalog service is killed around the events of a table: each snapshot is told once, whoever committed it."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest

from floe_contracts.openlineage.naming import Place
from floe_contracts.subjects import EventKind
from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.identifiers import product_namespace
from floe_lakehouse.snapshots import list_tables

from .conftest import Publish, Recovery
from .facts import ENVIRONMENT, TENANT, Facts, until
from .fault_points import ROUNDS, Points
from .processes import Stack
from .products import QUICK

PLACE = Place(TENANT, ENVIRONMENT, QUICK)
POINTS = ("before-table-events", "after-table-events")


def committed(facts: Facts) -> Counter[str]:
    """The snapshots of all tables of the product, by what their events are called; none of them stands for two."""
    catalog = open_catalog(facts.catalog)
    found: Counter[str] = Counter()
    for namespace in catalog.list_namespaces(product_namespace(PLACE)):
        for identifier in list_tables(catalog, namespace):
            metadata = catalog.load_table(identifier).metadata
            found.update(f"{metadata.table_uuid}:{snapshot.snapshot_id}" for snapshot in metadata.snapshots)
    return found


async def told(facts: Facts) -> Counter[str]:
    """The same, as the bus has it."""
    events = await facts.events(EventKind.TABLE_COMMITTED, QUICK)
    return Counter(f"{event.data['table_uuid']}:{event.data['snapshot_id']}" for event in events)


async def assert_told(facts: Facts) -> None:
    """Every snapshot is told, and none twice; so is every table."""

    async def equal() -> bool:
        snapshots, events = committed(facts), await told(facts)
        assert events == snapshots, (events - snapshots, snapshots - events)
        return bool(events)

    await until(equal)
    tables = {snapshot.partition(":")[0] for snapshot in committed(facts)}
    created = Counter(event.data["table_uuid"] for event in await facts.events(EventKind.TABLE_CREATED, QUICK))
    assert created == Counter(tables)


@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("point", POINTS)
async def test_the_catalog_service_is_killed_while_it_tells(
    stack: Stack, points: Points, facts: Facts, compiled: Publish, recovery: Recovery, point: str, number: int
) -> None:
    digest = await compiled(QUICK)
    points.arm(point)
    run = await facts.request(QUICK, digest, f"catalog:{point}:{number}")
    await points.until_reached(point)
    stack.kill("catalog")
    recovery()
    stack.start("catalog")
    await facts.settled(QUICK, run)
    await assert_told(facts)
    await facts.quiet()


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_what_is_committed_while_it_is_dead_is_told(
    stack: Stack, facts: Facts, compiled: Publish, recovery: Recovery, number: int
) -> None:
    digest = await compiled(QUICK)
    await facts.settled(QUICK, await facts.request(QUICK, digest, f"catalog:dead:{number}"))
    await assert_told(facts)
    stack.kill("catalog")
    lake = open_catalog(facts.catalog)
    table = lake.load_table((*product_namespace(PLACE), "main", "countries"))
    for country in ("AT", "CH"):  # another writer, of whom no event tells
        table.append(pa.table({"country": [country]}))
    recovery()
    stack.start("catalog")
    await assert_told(facts)
