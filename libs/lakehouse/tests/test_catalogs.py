from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from floe_contracts.errors import Permanent, Unreachable
from floe_contracts.openlineage.naming import Place
from floe_contracts.plugins.conformance import CatalogConformance
from floe_lakehouse.catalogs import ensure_namespace, open_catalog
from floe_lakehouse.errors import CatalogMisconfigured, CatalogUnreachable, InvalidIdentifier
from floe_lakehouse.identifiers import product_table
from floe_lakehouse.snapshots import list_tables

SHOP = ("acme", "dev", "shop")


class TestSql(CatalogConformance):
    name = "sql"

    @pytest.fixture
    def options(self, tmp_path: Path) -> Mapping[str, str]:
        return {"uri": f"sqlite:///{tmp_path}/conformance.db", "warehouse": str(tmp_path / "warehouse")}


def test_namespace_is_made_with_its_parents(catalog: Catalog) -> None:
    ensure_namespace(catalog, SHOP, {"owner": "sales"})

    assert catalog.list_namespaces() == [("acme",)]
    assert catalog.list_namespaces(("acme", "dev")) == [SHOP]
    assert catalog.load_namespace_properties(SHOP) == {"owner": "sales"}


def test_namespace_properties_that_changed_are_set_and_others_stay(catalog: Catalog) -> None:
    ensure_namespace(catalog, SHOP, {"owner": "sales", "tier": "gold"})
    ensure_namespace(catalog, SHOP, {"owner": "finance", "region": "north"})
    ensure_namespace(catalog, SHOP, {})

    assert catalog.load_namespace_properties(SHOP) == {"owner": "finance", "tier": "gold", "region": "north"}


def test_namespaces_keep_to_themselves(catalog: Catalog) -> None:
    ensure_namespace(catalog, ("acme", "dev", "shop"), {})
    ensure_namespace(catalog, ("acme", "dev_2", "shop"), {"owner": "other"})

    assert catalog.load_namespace_properties(SHOP) == {"exists": "true"}
    assert list_tables(catalog, SHOP) == ()


@pytest.mark.parametrize("namespace", [(), ("acme", ""), ("a.b",), ("a/b",), ("a\nb",), ("..",), ("100%",)])
def test_names_that_catalogs_read_differently_are_refused(catalog: Catalog, namespace: tuple[str, ...]) -> None:
    with pytest.raises(InvalidIdentifier, match="FLOE-LAKE-003"):
        ensure_namespace(catalog, namespace, {})


def test_tables_stand_under_the_warehouse_as_uris(catalog: Catalog, tmp_path: Path) -> None:
    assert catalog.properties["warehouse"] == f"file://{tmp_path}/warehouse"


def test_catalogs_of_other_names_in_one_database_are_apart(properties: dict[str, str]) -> None:
    ensure_namespace(open_catalog(properties), SHOP, {})

    assert open_catalog({**properties, "name": "other"}).list_namespaces() == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": "polar"}, "'polar' is no type of catalog"),
        ({"type": ""}, "'' is no type of catalog"),
        ({"uri": ""}, "the catalog lacks uri"),
        ({"uri": "", "warehouse": ""}, "the catalog lacks uri, warehouse"),
        ({"uri": "secret:no-url"}, "`uri` is not an SQLAlchemy URL"),
        ({"warehouse": "/data/house#1"}, "holds one of"),
    ],
)
def test_misconfigured_catalogs_are_told(properties: dict[str, str], changes: dict[str, str], message: str) -> None:
    with pytest.raises(CatalogMisconfigured, match="FLOE-LAKE-001") as caught:
        open_catalog({**properties, **changes})
    assert message in caught.value.message
    assert "secret" not in str(caught.value)
    assert caught.value.hint
    assert isinstance(caught.value, Permanent)


def test_a_database_that_cannot_be_opened_is_unreachable(properties: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path, tmp_path / "file" / "catalog.db"):
        with pytest.raises(CatalogUnreachable, match="FLOE-LAKE-002") as caught:
            open_catalog({**properties, "uri": f"sqlite:///{place}"})
        assert isinstance(caught.value, Unreachable)


def test_a_database_that_is_locked_for_good_is_unreachable(properties: dict[str, str], tmp_path: Path) -> None:
    catalog = open_catalog({**properties, "uri": f"{properties['uri']}?timeout=0.05"})
    with closing(sqlite3.connect(tmp_path / "catalog" / "floe.db", isolation_level=None)) as connection:
        connection.execute("begin exclusive")
        with pytest.raises(CatalogUnreachable, match="database is locked"):
            ensure_namespace(catalog, SHOP, {})


def test_readers_go_on_while_a_writer_holds_the_database(catalog: Catalog, tmp_path: Path) -> None:
    ensure_namespace(catalog, SHOP, {"owner": "sales"})
    with closing(sqlite3.connect(tmp_path / "catalog" / "floe.db", isolation_level=None)) as connection:
        connection.execute("begin immediate")
        assert catalog.load_namespace_properties(SHOP) == {"owner": "sales"}


def test_a_catalog_in_memory_works(properties: dict[str, str]) -> None:
    catalog = open_catalog({**properties, "uri": "sqlite:///:memory:"})
    ensure_namespace(catalog, SHOP, {})

    assert catalog.list_namespaces() == [("acme",)]


def test_relations_with_names_that_no_catalog_takes_land_by_another(catalog: Catalog) -> None:
    place = Place("acme", "dev", "shop")
    assert product_table(place, "Mixed Case", "größe") == (*SHOP, "Mixed Case", "größe")
    odd = product_table(place, "a/b", "v1.2")
    assert odd == (*SHOP, "a_2fb", "v1_2e2")
    ensure_namespace(catalog, odd[:-1], {})
    assert catalog.namespace_exists(odd[:-1])
