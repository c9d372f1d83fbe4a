"""Which artifact a product is held to, and what becomes of one that is retired."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from pyiceberg.exceptions import NoSuchNamespaceError

from floe_catalog.adapters.catalog_products import CatalogProducts
from floe_catalog.tables.following import Following
from floe_catalog.tables.registering import Registrar
from floe_catalog.wiring import assemble
from floe_chassis.leases import Lease
from floe_chassis.testing import eventually
from floe_chassis.topology import CATALOG_PRODUCTS_BUCKET
from floe_contracts.cloudevents import Attributes, Received
from floe_contracts.events import ArtifactRetired, SourceReference

pytestmark = pytest.mark.bus


@pytest.fixture
def live(bus):
    """The products that the service looks after, as environment -> digest."""
    records = CatalogProducts(partial(bus.key_value, CATALOG_PRODUCTS_BUCKET))

    async def read() -> dict[str, str]:
        return {record.environment: record.artifact_digest for record in await records.live()}

    return read


def retired(number: int = 1) -> ArtifactRetired:
    return ArtifactRetired(tenant="default", product="shop-orders", submission=str(number), reason="removed")


def properties_of(lake, environment: str = "dev") -> dict[str, str]:
    try:
        return dict(lake.load_namespace_properties(("default", environment, "shop-orders")))
    except NoSuchNamespaceError:
        return {}


async def test_an_artifact_without_a_ref_is_followed_everywhere(service, bus, compiled, live, settled) -> None:
    event = compiled()
    await bus.publish(event, id="c1")
    await eventually(lambda: settled("FLOE_ARTIFACTS", "catalog"))
    assert await live() == dict.fromkeys(("dev", "prod"), event.artifact_digest)


async def test_a_ref_is_followed_where_it_builds_and_has_its_namespace_everywhere(
    service, bus, compiled, live, lake, settled
) -> None:
    event = compiled(source=SourceReference(repository="https://git.example.com/shop", ref="refs/heads/main"))
    await bus.publish(event, id="c1")
    await eventually(lambda: settled("FLOE_ARTIFACTS", "catalog"))
    assert await live() == {"prod": event.artifact_digest}
    assert properties_of(lake, "dev")["floe.artifact-digest"] == event.artifact_digest


async def test_a_retired_product_keeps_its_tables_and_nobody_looks_at_them(
    service, bus, bus_settings, compiled, live, lake, land, told
) -> None:
    await bus.publish(compiled(), id="c1")
    land("run-1")
    await eventually(lambda: _so_many(told, 2))
    await bus.publish(retired(), id="r1")
    await eventually(lambda: properties_of(lake).get("floe.retired-at"))
    assert await live() == {}
    # Whoever still looks at the tables, because the product lived when they began, holds this lease.
    looking = "catalog-tables.default.dev.shop-orders"
    lease = await eventually(lambda: Lease.acquire(bus, bus_settings, looking))
    await lease.release()
    land("run-2")
    other = compiled(product="other")
    await bus.publish(other, id="o1")
    await eventually(lambda: _followed(live, other.artifact_digest))  # the service is at work meanwhile
    assert len(await told()) == 2

    event = compiled(version="2")
    await bus.publish(event, id="c2")
    await eventually(lambda: _so_many(told, 3))  # what came meanwhile is told now
    assert "floe.retired-at" not in properties_of(lake)


async def test_an_artifact_that_comes_late_brings_nothing_back(bus, environment, compiled, live, lake) -> None:
    """What is delivered again may come after what came later; its place in the stream decides."""
    first, second = compiled(), compiled(version="2")
    parts = assemble(environment)
    await parts.service.bus.connect()
    registrar = Registrar(parts.service.bus, parts.lakehouse, parts.teller)
    following = Following(parts.lakehouse, parts.records, parts.products, registrar)
    try:
        await following.compiled(received(first, 1))
        await following.retired(received(retired(), 2))
        await following.compiled(received(first, 1))
        assert await live() == {}
        assert "floe.retired-at" in properties_of(lake)
        await following.compiled(received(second, 3))
        await following.retired(received(retired(), 2))
        await following.compiled(received(first, 1))
        assert set((await live()).values()) == {second.artifact_digest}
        assert properties_of(lake)["floe.artifact-digest"] == second.artifact_digest
        assert "floe.retired-at" not in properties_of(lake)
    finally:
        await parts.service.stop()


def received(event, sequence: int) -> Received:
    time = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=sequence)
    return Received(event, Attributes(id=str(sequence), source="floe/test", time=time), sequence=sequence)


async def test_an_environment_that_cannot_be_reached_from_here_is_nobodys_trouble(
    service, bus, compiled, live, lake, settled, dead_letters
) -> None:
    """As production on a laptop, which has none of its secrets: all that can be done is done."""
    away = {
        "name": "away",
        "type": "rest",
        "properties": {"uri": "http://127.0.0.1:1", "credentials": {"client_id": "floe"}},
        "secrets": {"credentials.client_secret": "not-here"},
    }
    event = compiled(prod={"catalog": away})
    await bus.publish(event, id="c1")
    await eventually(lambda: settled("FLOE_ARTIFACTS", "catalog"))
    assert properties_of(lake, "dev")["floe.artifact-digest"] == event.artifact_digest
    assert await live() == dict.fromkeys(("dev", "prod"), event.artifact_digest)
    assert await dead_letters() == []


async def _followed(live, digest: str) -> bool:
    return digest in (await live()).values()


async def _so_many(told, count: int) -> list:
    found = await told()
    assert len(found) <= count
    return found if len(found) == count else []
