"""The access to a product's tables is brought to what it should be, whatever was there, and however often one asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from pydantic import SecretStr

from floe_catalog.access.granting import Administration
from floe_catalog.errors import (
    AccessNotAdministered,
    AccessRefused,
    AccessUnreadable,
    AccessUnsupported,
    NamespaceTaken,
)
from floe_catalog.tables.products import Product
from floe_catalog.testing.polaris_server import Polaris
from floe_contracts.catalog_access import GrantsAnswer
from floe_lakehouse.errors import CatalogUnreachable
from floe_lakehouse.snapshots import ENVIRONMENT, PRODUCT, TENANT

pytestmark = pytest.mark.filterwarnings("ignore:POST /v1/oauth/tokens is deprecated")  # says the client of itself
MakeProduct = Callable[..., Product]
Ask = Callable[..., GrantsAnswer]

ROLE = "floe.acme.prod.orders.{}"
PRINCIPAL = "floe.acme.polaris.{}"
NAMESPACE = {"type": "namespace", "namespace": ["acme", "prod", "orders"]}


def test_nothing_is_changed_by_looking(ask: Ask, product: MakeProduct, polaris: Polaris) -> None:
    told = ask(product())
    assert not told.in_sync
    assert {each.kind for each in told.differences} == {"missing"}
    assert {each.what for each in told.differences} == set(told.wanted)
    assert (polaris.management.changes, polaris.management.principals) == ([], {})
    assert polaris.lake.catalog.list_namespaces() == []


@pytest.mark.parametrize("answers_entities", [False, True], ids=["older", "newer"])
def test_what_is_missing_is_made_and_the_second_time_nothing_is_to_do(
    ask: Ask, product: MakeProduct, polaris: Polaris, answers_entities: bool
) -> None:
    polaris.management.answers_entities = answers_entities
    first = ask(product(), apply=True)
    assert first.in_sync
    assert {each.service for each in first.credentials} == {"executor", "catalog", "semantic"}
    assert {each.principal: (each.client_id, each.client_secret) for each in first.credentials} == (
        polaris.management.principals
    )
    assert polaris.management.grants[ROLE.format("semantic")] == [
        {**NAMESPACE, "privilege": privilege} for privilege in ("NAMESPACE_LIST", "TABLE_READ_DATA")
    ]
    changed = len(polaris.management.changes)
    second = ask(product(), apply=True)
    assert (second.differences, second.credentials, second.in_sync) == ((), (), True)
    assert len(polaris.management.changes) == changed


def test_another_product_shares_the_principals_and_nothing_else(
    ask: Ask, product: MakeProduct, polaris: Polaris
) -> None:
    ask(product(), apply=True)
    second = ask(product(product="customers"), apply=True)
    assert second.in_sync
    assert second.credentials == ()
    assert {name for name, _ in polaris.management.members} == set(polaris.management.principals)
    assert ask(product()).differences == ()


@pytest.mark.parametrize("changes_before", range(0, 26, 4))
def test_a_repair_that_stops_in_the_middle_tells_what_it_has_and_goes_on(
    ask: Ask, product: MakeProduct, polaris: Polaris, changes_before: int
) -> None:
    polaris.management.failing = changes_before
    first = ask(product(), apply=True)
    polaris.management.failing = None
    if first.problem is None:
        assert len(polaris.management.changes) <= changes_before
    else:
        assert first.problem.code == CatalogUnreachable.code
        assert first.problem.transient
        assert not first.in_sync
    second = ask(product(), apply=True)
    assert second.in_sync
    told = {each.principal for each in (*first.credentials, *second.credentials)}
    assert told == set(polaris.management.principals)
    assert ask(product()).differences == ()


def test_what_is_too_much_is_told_and_taken_away(ask: Ask, product: MakeProduct, polaris: Polaris) -> None:
    ask(product(), apply=True)
    state = polaris.management
    polaris.lake.catalog.create_namespace(("elsewhere",))
    state.catalog_roles.add(ROLE.format("old"))
    state.principal_roles.add(ROLE.format("old"))
    state.principals["analyst"] = ("a", "b")
    state.members |= {(PRINCIPAL.format("executor"), "service_admin"), ("analyst", ROLE.format("executor"))}
    state.uses |= {(ROLE.format("semantic"), "catalog_admin"), ("service_admin", ROLE.format("catalog"))}
    extra = [
        {"type": "catalog", "privilege": "CATALOG_MANAGE_CONTENT"},
        {"type": "namespace", "namespace": ["elsewhere"], "privilege": "TABLE_WRITE_DATA"},
        {**NAMESPACE, "type": "table", "tableName": "t", "privilege": "TABLE_DROP"},
        {**NAMESPACE, "type": "view", "viewName": "v", "privilege": "VIEW_DROP"},
        {**NAMESPACE, "type": "policy", "policyName": "p", "privilege": "POLICY_DROP"},
    ]
    state.grants[ROLE.format("executor")] += extra

    told = ask(product())
    assert [each.what for each in told.differences] == [
        "principal role floe.acme.prod.orders.executor for principal analyst",
        "principal role service_admin for principal floe.acme.polaris.executor",
        "catalog role catalog_admin for principal role floe.acme.prod.orders.semantic",
        "catalog role floe.acme.prod.orders.catalog for principal role service_admin",
        "CATALOG_MANAGE_CONTENT on catalog for catalog role floe.acme.prod.orders.executor",
        "POLICY_DROP on policy acme.prod.orders.p for catalog role floe.acme.prod.orders.executor",
        "TABLE_DROP on table acme.prod.orders.t for catalog role floe.acme.prod.orders.executor",
        "TABLE_WRITE_DATA on namespace elsewhere for catalog role floe.acme.prod.orders.executor",
        "VIEW_DROP on view acme.prod.orders.v for catalog role floe.acme.prod.orders.executor",
        "catalog role floe.acme.prod.orders.old",
        "principal role floe.acme.prod.orders.old",
    ]
    assert {each.kind for each in told.differences} == {"extra"}
    assert ask(product(), apply=True).in_sync
    assert ask(product()).differences == ()
    assert "analyst" in state.principals


def test_what_is_not_floes_stays(ask: Ask, product: MakeProduct, polaris: Polaris) -> None:
    ask(product(), apply=True)
    state = polaris.management
    state.principals["analyst"] = ("a", "b")
    state.catalog_roles.add("analysts")
    state.grants["analysts"] = [{**NAMESPACE, "privilege": "TABLE_READ_DATA"}]
    state.members |= {("analyst", ROLE.format("semantic")), ("analyst", "service_admin")}
    assert ask(product()).in_sync


def test_a_product_that_is_no_longer_served_has_no_reader(ask: Ask, product: MakeProduct, polaris: Polaris) -> None:
    ask(product(), apply=True)
    assert ask(product(cube=False), apply=True).in_sync
    state = polaris.management
    assert ROLE.format("semantic") not in state.catalog_roles | state.principal_roles
    assert state.granted(PRINCIPAL.format("semantic"), "PRINCIPAL_ROLE:ALL") == []
    assert ask(product(cube=False)).differences == ()


def test_a_secret_that_was_lost_is_made_anew(ask: Ask, product: MakeProduct, polaris: Polaris) -> None:
    first = {each.service: each for each in ask(product(), apply=True).credentials}
    (new,) = ask(product(), apply=True, new_secrets=("executor",)).credentials
    assert (new.service, new.client_id) == ("executor", first["executor"].client_id)
    assert new.client_secret != first["executor"].client_secret
    assert polaris.management.principals[new.principal] == (new.client_id, new.client_secret)
    assert ask(product(), new_secrets=("executor",)).credentials == ()


def test_a_new_principal_is_not_given_two_secrets(ask: Ask, product: MakeProduct) -> None:
    told = ask(product(), apply=True, new_secrets=("executor", "catalog"))
    assert sorted(each.service for each in told.credentials) == ["catalog", "executor", "semantic"]


def test_schemas_of_an_attached_catalog_are_claimed(ask: Ask, product: MakeProduct, polaris: Polaris) -> None:
    attached = product(compute="duckdb", database="lake", schemas=("gold", "silver"))
    polaris.lake.catalog.create_namespace(("gold",), {"kept": "yes"})
    assert ask(attached, apply=True).in_sync
    claim = {TENANT: "acme", ENVIRONMENT: "prod", PRODUCT: "orders"}
    for schema, kept in (("gold", {"kept": "yes"}), ("silver", {})):
        found = polaris.lake.catalog.load_namespace_properties((schema,))
        assert {name: found[name] for name in (*claim, *kept)} == {**claim, **kept}
    assert ask(attached).differences == ()


@pytest.mark.parametrize("apply", [False, True], ids=["check", "apply"])
def test_a_schema_of_another_product_is_not_given_away(
    ask: Ask, product: MakeProduct, polaris: Polaris, apply: bool
) -> None:
    attached = {"compute": "duckdb", "database": "lake", "schemas": ("gold",)}
    ask(product(**attached), apply=True)
    changed = len(polaris.management.changes)
    with pytest.raises(NamespaceTaken, match="gold belongs to orders of acme in prod"):
        ask(product(product="customers", **attached), apply=apply)
    assert len(polaris.management.changes) == changed


def test_other_kinds_of_catalogs_are_unsupported(ask: Ask, product: MakeProduct, polaris: Polaris) -> None:
    with pytest.raises(AccessUnsupported, match=r"unsupported: the catalog 'polaris' is of type nessie"):
        ask(product(catalog={"type": "nessie", "properties": {"uri": polaris.url}}))
    assert polaris.tokens == {}


def test_without_an_administrator_nothing_is_told(
    ask: Ask, product: MakeProduct, administration: Administration
) -> None:
    with pytest.raises(AccessNotAdministered, match="no administrator's credentials"):
        ask(product(), administration=replace(administration, server=None))


@pytest.mark.parametrize(
    "properties",
    [
        {"uri": "http://127.0.0.1:1/api/catalog"},
        {"properties": {"header.Polaris-Realm": "another"}},
    ],
    ids=["server", "realm"],
)
def test_the_administrator_is_shown_to_no_other_server(
    ask: Ask, product: MakeProduct, polaris: Polaris, properties: dict[str, object]
) -> None:
    catalog = {"uri": f"{polaris.url}/api/catalog", "warehouse": "lake", **properties}
    with pytest.raises(AccessNotAdministered, match="is elsewhere"):
        ask(product(catalog={"type": "polaris", "properties": catalog}))
    assert polaris.tokens == {}


def test_the_address_may_be_a_secret_of_the_tenant(
    ask: Ask, product: MakeProduct, polaris: Polaris, administration: Administration
) -> None:
    catalog = {"type": "polaris", "properties": {"warehouse": "lake"}, "secrets": {"uri": "polaris-uri"}}
    addresses = {("acme", "polaris-uri"): f"{polaris.url}/api/catalog/"}
    told = replace(administration, secrets=lambda tenant: lambda name: addresses[tenant, name])
    assert ask(product(catalog=catalog), administration=told).warehouse == "lake"


def test_a_realm_is_named_with_every_request(
    ask: Ask, product: MakeProduct, polaris: Polaris, administration: Administration
) -> None:
    told = replace(administration, server=replace(polaris.server, realm="acme"))
    catalog = {
        "uri": f"{polaris.url}/api/catalog",
        "warehouse": "lake",
        "properties": {"header.Polaris-Realm": "acme"},
    }
    ask(product(catalog={"type": "polaris", "properties": catalog}), administration=told, apply=True)
    assert polaris.realms == {"acme"}


def test_refused_credentials_are_told_without_them(
    ask: Ask, product: MakeProduct, polaris: Polaris, administration: Administration
) -> None:
    wrong = replace(polaris.server, client_secret=SecretStr("canary-of-the-administrator"))
    with pytest.raises(AccessRefused, match="refuses to log in: 401, unauthorized_client") as caught:
        ask(product(), administration=replace(administration, server=wrong))
    assert "canary" not in str(caught.value)


def test_who_is_no_administrator_is_refused(
    ask: Ask, product: MakeProduct, polaris: Polaris, administration: Administration
) -> None:
    credentials = {each.service: each for each in ask(product(), apply=True).credentials}
    catalog = credentials["catalog"]
    weak = replace(polaris.server, client_id=catalog.client_id, client_secret=SecretStr(catalog.client_secret))
    with pytest.raises(AccessRefused, match="403") as caught:
        ask(product(), administration=replace(administration, server=weak))
    assert "service_admin" in str(caught.value.hint)


def test_a_catalog_that_polaris_lacks_is_told(ask: Ask, product: MakeProduct, polaris: Polaris) -> None:
    catalog = {"uri": f"{polaris.url}/api/catalog", "warehouse": "nowhere"}
    with pytest.raises(AccessRefused, match="404"):
        ask(product(catalog={"type": "polaris", "properties": catalog}))


def test_a_server_that_is_away_is_unreachable(
    ask: Ask, product: MakeProduct, polaris: Polaris, administration: Administration
) -> None:
    away = replace(polaris.server, uri="http://127.0.0.1:1")
    catalog = {"uri": away.catalog_uri, "warehouse": "lake"}
    with pytest.raises(CatalogUnreachable, match="asked to log in"):
        ask(
            product(catalog={"type": "polaris", "properties": catalog}),
            administration=replace(administration, server=away),
        )


def test_a_privilege_that_the_client_does_not_know_is_told(ask: Ask, product: MakeProduct, polaris: Polaris) -> None:
    ask(product(), apply=True)
    polaris.management.unchecked = {"grants": [{**NAMESPACE, "privilege": "TABLE_TELEPORT"}]}
    with pytest.raises(AccessUnreadable, match="asked to list grants"):
        ask(product())


def test_no_secret_is_shown_by_an_answer(ask: Ask, product: MakeProduct, polaris: Polaris) -> None:
    told = ask(product(), apply=True)
    secrets = {secret for _, secret in polaris.management.principals.values()} | {polaris.client_secret}
    assert not [secret for secret in secrets if secret in repr(told) or secret in repr(polaris.server)]
