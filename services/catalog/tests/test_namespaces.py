"""Compiled artifacts: their products have namespaces; and the service as such."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyiceberg.exceptions import NoSuchNamespaceError

from floe_catalog.app import create_app
from floe_catalog.settings import CatalogSettings
from floe_chassis.errors import SettingInvalid
from floe_chassis.testing import eventually
from floe_contracts.cloudevents import Attributes, encode
from floe_lakehouse.catalogs import open_catalog

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def properties_of(lake, environment: str) -> dict[str, str]:
    try:
        return dict(lake.load_namespace_properties(("default", environment, "shop-orders")))
    except NoSuchNamespaceError:
        return {}


async def publish_at(bus, event, time: datetime, identity: str) -> None:
    headers, body = encode(event, Attributes(id=identity, source="floe/compiler", time=time))
    await bus.publish_raw(event.subject(), body, headers, identity)


@pytest.mark.bus
async def test_a_product_has_a_namespace_in_every_environment(service, bus, compiled, lake) -> None:
    event = compiled()
    await publish_at(bus, event, NOW, "c1")
    for environment in ("dev", "prod"):
        found = await eventually(lambda environment=environment: properties_of(lake, environment))
        assert found == {
            "owner": "shop@example.com",
            "comment": "shop-orders",
            "floe.tenant": "default",
            "floe.environment": environment,
            "floe.product": "shop-orders",
            "floe.artifact-digest": event.artifact_digest,
            "floe.compiled-at": "2026-01-01T12:00:00.000000+00:00",
        }


@pytest.mark.bus
async def test_the_newest_artifact_wins_in_whatever_order_they_come(service, bus, compiled, lake, settled) -> None:
    old, new = compiled("old@example.com"), compiled("new@example.com")
    for event, time, identity in ((new, NOW, "c2"), (old, NOW - timedelta(seconds=1), "c1"), (new, NOW, "c2 again")):
        await publish_at(bus, event, time, identity)
        await eventually(lambda: settled("FLOE_ARTIFACTS", "catalog"))
    assert properties_of(lake, "dev")["owner"] == "new@example.com"
    assert properties_of(lake, "dev")["floe.artifact-digest"] == new.artifact_digest


@pytest.mark.bus
async def test_what_others_wrote_into_a_namespace_stays(service, bus, compiled, lake, settled) -> None:
    lake.create_namespace(("default",))
    lake.create_namespace(("default", "dev"))
    lake.create_namespace(("default", "dev", "shop-orders"), {"retention": "30 days", "owner": "nobody"})
    await bus.publish(compiled(), id="c1")
    await eventually(lambda: settled("FLOE_ARTIFACTS", "catalog"))
    assert properties_of(lake, "dev")["retention"] == "30 days"
    assert properties_of(lake, "dev")["owner"] == "shop@example.com"


@pytest.mark.bus
async def test_an_artifact_with_another_digest_is_a_dead_letter(service, bus, compiled, lake, dead_letters) -> None:
    forged = compiled().model_copy(update={"artifact_digest": "sha256:" + "0" * 64})
    await bus.publish(forged, id="c1")
    (letter,) = await eventually(dead_letters)
    assert letter.headers["Floe-Dlq-Code"] == "FLOE-ART-001"
    assert properties_of(lake, "dev") == {}


@pytest.mark.bus
async def test_a_catalog_that_comes_back_is_written_then(
    bus, running, environment, compiled, tmp_path, settled
) -> None:
    """The catalog's folder is a file at first, so that the database cannot be opened."""
    place = tmp_path / "later"
    place.write_text("in the way")
    later = environment | {
        "FLOE_CATALOG_URI": f"sqlite:///{place}/catalog.db",
        "FLOE_CATALOG_RECONCILE_SECONDS": "0.3",
    }
    await publish_at(bus, compiled(), NOW, "c1")
    async with running(later) as service:
        missing = (await service.readiness())["catalog"]
        assert "FLOE-LAKE-002" in missing

        await eventually(lambda: settled("FLOE_ARTIFACTS", "catalog"))
        _make_way(place)
        assert await eventually(lambda: _ready(service)) == "ok"
        came = open_catalog({"type": "sql", "uri": later["FLOE_CATALOG_URI"], "warehouse": f"file://{tmp_path}/lake"})
        for environment_name in ("dev", "prod"):
            found = await eventually(lambda name=environment_name: properties_of(came, name))
            assert found["floe.compiled-at"] == "2026-01-01T12:00:00.000000+00:00"


def _make_way(place: Path) -> None:
    place.unlink()
    place.mkdir()


async def _ready(service) -> str:
    result = (await service.readiness())["catalog"]
    return result if result == "ok" else ""


@pytest.mark.parametrize("missing", ["FLOE_CATALOG_URI", "FLOE_CATALOG_WAREHOUSE"])
def test_a_missing_setting_is_named(missing: str) -> None:
    given = {"FLOE_CATALOG_URI": "sqlite:////x.db", "FLOE_CATALOG_WAREHOUSE": "file:///x"}
    del given[missing]
    with pytest.raises(SettingInvalid, match=missing):
        create_app(given)


def test_a_password_in_the_address_is_not_shown() -> None:
    settings = CatalogSettings(uri="postgresql://floe:s3cret@db/catalog", warehouse="s3://lake")
    assert "s3cret" not in repr(settings)
