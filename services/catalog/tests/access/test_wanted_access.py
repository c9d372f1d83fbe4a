"""Which access a product's services need, by what the artifact says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_catalog.core.access_differences import differences
from floe_catalog.core.access_facts import (
    CatalogRole,
    Claim,
    Fact,
    Grant,
    Membership,
    Namespace,
    Principal,
    PrincipalRole,
    RoleUse,
)
from floe_catalog.core.access_names import AccessNames, Client
from floe_catalog.core.grants import wanted_access
from floe_catalog.tables.products import Product
from floe_contracts.openlineage.naming import Place

NAMES = AccessNames(Place("acme", "prod", "orders"), "polaris")
URI = "https://polaris.example.com/api/catalog"


@pytest.fixture
def wanted(compiled_product: Any) -> Any:
    """The access that a product needs."""

    def of(**changed: Any) -> frozenset[Fact]:
        product: Product = compiled_product(URI, **changed)
        names = AccessNames(product.place, product.environment.catalog.name)
        return wanted_access(names, product.artifact, product.environment, product.tables.values())

    return of


def test_every_part_is_there(wanted: Any) -> None:
    role, principal = "floe.acme.prod.orders.semantic", "floe.acme.polaris.semantic"
    own = ("acme", "prod", "orders")
    found = wanted()
    assert {fact for fact in found if "semantic" in str(fact)} == {
        PrincipalRole(role),
        CatalogRole(role),
        RoleUse(role, role),
        Principal(principal),
        Membership(principal, role),
        Grant(role, "namespace", own, "NAMESPACE_LIST"),
        Grant(role, "namespace", own, "TABLE_READ_DATA"),
    }
    assert {fact for fact in found if isinstance(fact, Namespace)} == {Namespace(own[:depth]) for depth in (1, 2, 3)}


def test_nothing_is_granted_beyond_the_products_namespaces(wanted: Any) -> None:
    landed, attached = wanted(), wanted(compute="duckdb", database="lake", schemas=("gold", "silver"))
    grants = [fact for fact in landed | attached if isinstance(fact, Grant)]
    assert {grant.path for grant in grants if grant.kind == "namespace"} == {
        ("acme", "prod", "orders"),
        ("gold",),
        ("silver",),
    }
    assert {grant for grant in grants if grant.kind != "namespace"} == {
        Grant(
            "floe.acme.prod.orders.executor", "catalog", (), "NAMESPACE_LIST"
        )  # of the attached one; see `privileges`
    }
    assert not [grant for grant in grants if "DROP" in grant.privilege or "MANAGE" in grant.privilege]


def test_below_a_root_everything_stands_below_it(wanted: Any) -> None:
    properties = {"uri": URI, "warehouse": "lake", "namespace": "data.floe"}
    found = wanted(catalog={"type": "polaris", "properties": properties})
    paths = {fact.path for fact in found if isinstance(fact, Grant)}
    assert paths == {("data", "floe", "acme", "prod", "orders")}
    assert Namespace(("data",)) in found


def test_an_attached_catalog_has_namespaces_by_schema(wanted: Any) -> None:
    found = wanted(compute="duckdb", database="lake", schemas=("gold", "silver"))
    assert {fact for fact in found if isinstance(fact, Claim)} == {
        Claim((schema,), "acme", "prod", "orders") for schema in ("gold", "silver")
    }
    assert "NAMESPACE_CREATE" not in {fact.privilege for fact in found if isinstance(fact, Grant)}


@pytest.mark.parametrize(
    ("changed", "services"),
    [
        ({}, {"executor", "catalog", "semantic"}),
        ({"cube": False}, {"executor", "catalog"}),
        ({"compute": "snowflake"}, {"catalog", "semantic"}),
        ({"compute": "duckdb", "database": "shop"}, {"catalog", "semantic"}),
    ],
    ids=["landed", "unserved", "written-by-the-warehouse", "nothing-in-the-lake"],
)
def test_only_services_that_touch_tables_have_access(wanted: Any, changed: dict[str, Any], services: set[str]) -> None:
    found = {fact.name.rpartition(".")[2] for fact in wanted(**changed) if isinstance(fact, Principal)}
    assert found == services


@pytest.mark.parametrize("compute", ["postgres", "duckdb"], ids=["landed", "attached"])
def test_who_only_reads_can_change_nothing(wanted: Any, compute: str) -> None:
    found = {fact for fact in wanted(compute=compute, database="lake") if isinstance(fact, Grant)}
    privileges = {fact.privilege for fact in found if fact.catalog_role.endswith(".semantic")}
    assert privileges == {"NAMESPACE_LIST", "TABLE_READ_DATA"}


def test_no_two_places_share_a_role() -> None:
    places = [
        Place("a", "b", "c-d"),
        Place("a", "b-c", "d"),
        Place("a.b", "c", "d"),
        Place("a", "b.c", "d"),
        Place("a", "b", "c.d"),
        Place("a", "b", "c"),
    ]
    prefixes = [AccessNames(place, "polaris").prefix for place in places]
    assert len(set(prefixes)) == len(places)
    assert not [(one, other) for one in prefixes for other in prefixes if one != other and other.startswith(one)]


FACTS: list[Fact] = [
    Namespace(("acme",)),
    Claim(("gold",), "acme", "prod", "orders"),
    *(
        fact
        for client in Client
        for role in [NAMES.role(client)]
        for fact in (
            PrincipalRole(role),
            CatalogRole(role),
            RoleUse(role, role),
            RoleUse(role, "catalog_admin"),
            RoleUse("service_admin", role),
            Principal(NAMES.principal(client)),
            Membership(NAMES.principal(client), role),
            Membership(NAMES.principal(client), "service_admin"),
            Membership(NAMES.principal(client), f"floe.acme.dev.customers.{client}"),
            Membership("analyst", role),
            Grant(role, "namespace", ("acme", "prod", "orders"), "TABLE_READ_DATA"),
            Grant(role, "catalog", (), "CATALOG_MANAGE_CONTENT"),
            Grant("analysts", "catalog", (), "CATALOG_MANAGE_CONTENT"),
        )
    ),
]


@given(st.sets(st.sampled_from(FACTS)), st.sets(st.sampled_from(FACTS)))
def test_what_was_put_right_differs_no_more(wanted: set[Fact], found: set[Fact]) -> None:
    differing = differences(NAMES, wanted, found)
    after = _put_right(found, (each for each in differing if each.kind == "missing"))
    after -= {each.fact for each in differing if each.kind == "extra"}
    assert wanted <= after
    assert differences(NAMES, wanted, after) == ()


@given(st.sets(st.sampled_from(FACTS)))
def test_what_others_made_stays(found: set[Fact]) -> None:
    taken = {each.fact for each in differences(NAMES, (), found)}
    theirs = {
        Grant("analysts", "catalog", (), "CATALOG_MANAGE_CONTENT"),
        Membership("analyst", NAMES.role(Client.SEMANTIC)),
        Namespace(("acme",)),
        *(Membership(NAMES.principal(client), f"floe.acme.dev.customers.{client}") for client in Client),
        *(Principal(NAMES.principal(client)) for client in Client),
    }
    assert not taken & theirs


def _put_right(found: Iterable[Fact], missing: Iterable[Any]) -> set[Fact]:
    return {*found, *(each.fact for each in missing)}
