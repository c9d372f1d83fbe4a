"""What holds for the namespaces of every kind of catalog."""

# ruff: noqa: S101  # these are tests
from __future__ import annotations

import pytest
from pyiceberg.exceptions import NamespaceAlreadyExistsError, NamespaceNotEmptyError, NoSuchNamespaceError

from floe_lakehouse.catalogs import ensure_namespace
from floe_lakehouse.snapshots import list_tables
from floe_lakehouse.testing.lake_under_test import LakeUnderTest, at_once


class NamespaceBehaviour:
    """Tests to inherit; see `catalog_behaviour`."""

    def test_a_namespace_is_made_with_its_parents(self, lake: LakeUnderTest) -> None:
        ensure_namespace(lake.catalog, lake.namespace, {"owner": "sales"})

        for depth in range(len(lake.namespace)):
            above, expected = lake.namespace[:depth], lake.namespace[: depth + 1]
            assert expected in [tuple(found) for found in lake.catalog.list_namespaces(above)]
            assert lake.catalog.namespace_exists(expected)
        assert lake.catalog.load_namespace_properties(lake.namespace)["owner"] == "sales"

    def test_properties_that_changed_are_set_and_others_stay(self, lake: LakeUnderTest) -> None:
        ensure_namespace(lake.catalog, lake.namespace, {"owner": "sales", "tier": "gold"})
        ensure_namespace(lake.catalog, lake.namespace, {"owner": "finance", "region": "north"})
        ensure_namespace(lake.catalog, lake.namespace, {})

        present = lake.catalog.load_namespace_properties(lake.namespace)
        assert {name: present.get(name) for name in ("owner", "tier", "region")} == {
            "owner": "finance",
            "tier": "gold",
            "region": "north",
        }

    def test_many_make_the_same_namespace_at_once(self, lake: LakeUnderTest) -> None:
        handles = [lake.another_handle() for _ in range(4)]
        at_once([lambda handle=one: ensure_namespace(handle, lake.namespace, {"owner": "sales"}) for one in handles])  # type: ignore[misc]

        assert lake.catalog.load_namespace_properties(lake.namespace)["owner"] == "sales"

    def test_namespaces_keep_to_themselves(self, lake: LakeUnderTest) -> None:
        tenant, environment, product, _ = lake.namespace
        beside = (tenant, environment, f"{product}_2", "main")
        ensure_namespace(lake.catalog, lake.namespace, {})
        ensure_namespace(lake.catalog, beside, {"owner": "other"})
        lake.land("SELECT 1 AS id")

        assert "owner" not in lake.catalog.load_namespace_properties(lake.namespace)
        assert list_tables(lake.catalog, lake.namespace) == (lake.orders,)
        assert list_tables(lake.catalog, beside) == ()
        assert [tuple(found) for found in lake.catalog.list_namespaces(beside[:-1])] == [beside]

    def test_a_namespace_goes_when_it_is_empty(self, lake: LakeUnderTest) -> None:
        lake.land("SELECT 1 AS id")
        with pytest.raises(NamespaceAlreadyExistsError):
            lake.catalog.create_namespace(lake.namespace)
        with pytest.raises(NamespaceNotEmptyError):
            lake.catalog.drop_namespace(lake.namespace)
        lake.catalog.drop_table(lake.orders)
        lake.catalog.drop_namespace(lake.namespace)

        assert not lake.catalog.namespace_exists(lake.namespace)
        with pytest.raises(NoSuchNamespaceError):
            lake.catalog.load_namespace_properties(lake.namespace)
        assert list_tables(lake.catalog, lake.namespace) == ()
