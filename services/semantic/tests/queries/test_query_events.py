"""A query as OpenLineage events: valid, with the columns that it uses, and with nobody's name in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import orjson
import pytest

from floe_contracts.artifacts import Compute
from floe_contracts.errors import ContractError
from floe_contracts.nodes import NodeGraph
from floe_contracts.openlineage.naming import Place
from floe_contracts.openlineage.query_facets import AlikeQueries
from floe_semantic.core.queries.events import query_events
from floe_semantic.core.queries.job_names import OTHER
from floe_semantic.core.queries.pseudonyms import pseudonymous, pseudonyms
from floe_semantic.core.queries.records import QueryRecord
from floe_semantic.core.queries.relations import relations_of
from floe_semantic.core.queries.served_members import read_cube, read_view
from floe_semantic.core.queries.uses import ServedBundle
from floe_semantic.core.queries.windows import QueryWindows, Telling, query_of

PLACE = Place("default", "prod", "shop")
ORDERS = ("duckdb://default.prod.shop", "warehouse.main.orders")
CUSTOMERS = ("duckdb://default.prod.shop", "warehouse.main.customers")
KEY = "a key that only the service has"


class Schemas(Protocol):
    def problems(self, event: dict[str, Any]) -> list[str]: ...


def events(record: QueryRecord, bundle: ServedBundle | None, *, key: str | None = KEY) -> tuple[dict[str, Any], ...]:
    told = pseudonymous(record, PLACE.tenant, pseudonyms(key))
    telling = QueryWindows(0).take(query_of(PLACE, "cube-1", "1.7.43", told), 0.0, record.user)
    assert isinstance(telling, Telling)
    return query_events(telling, bundle)


def made_of(event: dict[str, Any]) -> dict[str, list[tuple[str, str, str, bool]]]:
    """Shown member -> (table, column, subtype, masking)."""
    fields = event["outputs"][0]["facets"]["columnLineage"]["fields"]
    return {name: [found for each in one["inputFields"] for found in _flat(each)] for name, one in fields.items()}


def deciding(event: dict[str, Any]) -> set[tuple[str, str, str]]:
    listed = event["outputs"][0]["facets"]["columnLineage"].get("dataset", ())
    return {(table, column, subtype) for each in listed for table, column, subtype, _ in _flat(each)}


def _flat(each: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    table = each["name"].rpartition(".")[2]
    return [(table, each["field"], how["subtype"], how["masking"]) for how in each["transformations"]]


def test_a_query_starts_and_completes(make_record: Any, served_bundle: ServedBundle, openlineage: Schemas) -> None:
    start, complete = events(make_record(), served_bundle)
    assert [problem for event in (start, complete) for problem in openlineage.problems(event)] == []
    assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
    assert start["eventTime"] == "2026-11-21T19:11:29.100000Z"
    assert complete["eventTime"] == "2026-11-21T19:11:29.131000Z"
    assert start["run"]["runId"] == complete["run"]["runId"]
    assert complete["job"]["namespace"] == "floe://default/prod"
    assert complete["job"]["name"].startswith("shop.cube.orders.")
    assert [(each["namespace"], each["name"]) for each in complete["inputs"]] == [ORDERS]
    assert complete["job"]["facets"]["ownership"]["owners"] == [{"name": "finance@example.com"}]
    assert made_of(complete) == {
        "orders.revenue": [("orders", "amount", "AGGREGATION", False)],
        "orders.status": [("orders", "status", "IDENTITY", False)],
    }
    assert deciding(complete) == {("orders", "brand", "FILTER")}
    assert {facet["_producer"] for facet in complete["run"]["facets"].values()} == {"https://floe.dev/semantic"}


def test_members_of_a_view_are_those_of_its_cubes(make_record: Any, served_bundle: ServedBundle) -> None:
    record = make_record(
        queries=[{"measures": ["board.revenue"], "dimensions": ["board.customers_email"]}],
        members=["board.revenue", "orders.revenue", "board.customers_email", "customers.email"],
        shown=["board.revenue", "board.customers_email"],
        filtered=["board.brand", "orders.brand", "customers.brand"],
        masked=["board.customers_email"],
    )
    _, complete = events(record, served_bundle)
    assert complete["job"]["name"].startswith("shop.cube.board.")
    assert [(each["namespace"], each["name"]) for each in complete["inputs"]] == [CUSTOMERS, ORDERS]
    assert made_of(complete) == {
        "board.revenue": [("orders", "amount", "AGGREGATION", False)],
        "board.customers_email": [("customers", "email", "IDENTITY", True)],
    }
    assert deciding(complete) == {
        ("orders", "brand", "FILTER"),
        ("customers", "brand", "FILTER"),
        ("orders", "customer_id", "JOIN"),
        ("customers", "customer_id", "JOIN"),
    }
    assert complete["run"]["facets"]["floe_query"]["masked"] == ["board.customers_email"]


def test_counting_rows_shows_no_value_and_rounding_a_time_changes_it(
    make_record: Any, served_bundle: ServedBundle
) -> None:
    record = make_record(
        members=["orders.count", "orders.order_id", "orders.order_date"],
        shown=["orders.count", "orders.order_date.day"],
        filtered=[],
    )
    _, complete = events(record, served_bundle)
    assert made_of(complete) == {
        "orders.count": [("orders", "order_id", "AGGREGATION", True)],
        "orders.order_date.day": [("orders", "order_date", "TRANSFORMATION", False)],
    }
    assert deciding(complete) == set()


def test_nobody_is_named(make_record: Any, served_bundle: ServedBundle) -> None:
    _, told = events(make_record(), served_bundle)
    facet = told["run"]["facets"]["floe_query"]
    assert len(facet["user"]) == len(facet["rowOwners"]["brand"]) == 32
    assert b"ann@example.com" not in orjson.dumps(told)
    assert b"acme" not in orjson.dumps(told)
    _, again = events(make_record(request="another"), served_bundle)
    assert again["run"]["facets"]["floe_query"]["user"] == facet["user"]
    _, other_key = events(make_record(), served_bundle, key="another key of the service")
    assert other_key["run"]["facets"]["floe_query"]["user"] != facet["user"]
    _, without = events(make_record(), served_bundle, key=None)
    assert "user" not in without["run"]["facets"]["floe_query"]
    assert without["run"]["facets"]["floe_query"]["rowOwners"] == {}


def test_the_same_name_has_another_pseudonym_elsewhere() -> None:
    make = pseudonyms(KEY)
    assert len({make("a", "user", "x"), make("b", "user", "x"), make("a", "brand", "x"), make("a", "us", "erx")}) == 4


@pytest.mark.parametrize("kind", ["succeeded", "failed"])
def test_what_is_denied_has_failed_and_read_nothing(
    kind: str, make_record: Any, served_bundle: ServedBundle, openlineage: Schemas
) -> None:
    record = make_record(kind=kind, denied=["orders"], error="You requested hidden member: '?'")
    start, failed = events(record, served_bundle)
    assert [problem for event in (start, failed) for problem in openlineage.problems(event)] == []
    assert (failed["eventType"], failed["inputs"], failed["outputs"]) == ("FAIL", [], [])
    assert failed["run"]["facets"]["errorMessage"]["message"] == "access policies deny orders"
    assert failed["run"]["facets"]["floe_query"]["denied"] == ["orders"]
    assert "errorMessage" not in start["run"]["facets"]


def test_a_failure_says_why_and_an_abandoned_query_is_aborted(
    make_record: Any, served_bundle: ServedBundle, openlineage: Schemas
) -> None:
    _, failed = events(make_record(kind="failed", error="Conversion Error"), served_bundle)
    assert failed["run"]["facets"]["errorMessage"]["message"] == "Conversion Error"
    assert ([each["name"] for each in failed["inputs"]], failed["outputs"]) == ([ORDERS[1]], [])
    _, aborted = events(make_record(kind="abandoned"), served_bundle)
    assert (aborted["eventType"], openlineage.problems(aborted)) == ("ABORT", [])


def test_a_query_of_an_unknown_bundle_is_told_without_tables(make_record: Any, openlineage: Schemas) -> None:
    start, complete = events(make_record(bundle_digest=None), None)
    assert openlineage.problems(start) + openlineage.problems(complete) == []
    assert (complete["eventType"], complete["inputs"], complete["outputs"]) == ("COMPLETE", [], [])
    assert "sql" not in complete["job"]["facets"]


def test_members_that_nobody_knows_say_nothing(make_record: Any, served_bundle: ServedBundle) -> None:
    record = make_record(
        queries=[{"measures": ["nix.nix"]}],
        members=["nix.nix", "orders.nix", "?"],
        shown=["orders.nix"],
        filtered=["?"],
    )
    _, complete = events(record, served_bundle)
    assert complete["outputs"][0]["facets"]["columnLineage"]["fields"] == {"orders.nix": {"inputFields": []}}


def test_a_request_id_that_comes_again_later_is_another_run(make_record: Any, served_bundle: ServedBundle) -> None:
    first, _ = events(make_record(), served_bundle)
    same, _ = events(make_record(at="2026-11-21T19:12:00Z"), served_bundle)
    later, _ = events(make_record(started_at="2026-11-21T19:11:30.100Z", at="2026-11-21T19:12:00Z"), served_bundle)
    assert first["run"]["runId"] == same["run"]["runId"] != later["run"]["runId"]


@pytest.mark.parametrize(
    ("compute", "properties", "namespace"),
    [
        ("duckdb", {}, "duckdb://default.prod.shop"),
        ("postgres", {"host": "db.example", "port": 5433}, "postgres://db.example:5433"),
        ("snowflake", {"account": "acme-eu"}, "snowflake://acme-eu"),
        ("bigquery", {}, "bigquery"),
        ("redshift", {"host": "cluster.example", "port": 5439}, "redshift://cluster.example:5439"),
        ("databricks", {"host": "adb.example"}, "databricks://adb.example"),
        ("spark", {"host": "spark.example"}, "spark://spark.example"),
    ],
    ids=lambda value: value if isinstance(value, str) and "/" not in value else "",
)
def test_tables_are_called_as_dbt_runs_call_them(
    compute: str, properties: dict[str, Any], namespace: str, shop: NodeGraph, make_artifact: Any
) -> None:
    environment = make_artifact(prod={}).environments["prod"]
    used = Compute(name="warehouse", type=compute, threads=1, properties=properties)
    relations = relations_of(PLACE, environment.model_copy(update={"compute": used}), shop)
    assert relations["model.shop.orders"].name == (namespace, "warehouse.main.orders")


def test_a_model_on_another_compute_is_called_after_that(shop: NodeGraph, make_artifact: Any) -> None:
    other = Compute(name="lake", type="snowflake", threads=1, properties={"account": "acme"})
    environment = make_artifact(prod={}).environments["prod"].model_copy(update={"computes": {"lake": other}})
    nodes = tuple(node.model_copy(update={"compute": "lake"}) if node.name == "orders" else node for node in shop.nodes)
    relations = relations_of(PLACE, environment, shop.model_copy(update={"nodes": nodes}))
    assert relations["model.shop.orders"].name[0] == "snowflake://acme"
    assert relations["model.shop.customers"].name[0] == "duckdb://default.prod.shop"


def test_a_view_may_have_all_of_a_cube_and_other_names(served_bundle: ServedBundle) -> None:
    view = read_view(
        "views: [{name: all, cubes: [{join_path: orders, includes: '*'},"
        " {join_path: orders.customers, prefix: true, alias: buyers, includes: [{name: email, alias: mail}]}]}]"
    )
    assert view.find("revenue") == ("orders", "revenue")
    assert view.find("buyers_mail") == ("customers", "email")
    assert replace(view, whole=()).find("revenue") is None


@pytest.mark.parametrize("text", ["cubes: []", "{", "views: [{}]", "cubes: [{measures: [1]}]", "cubes: 3", "[]"])
def test_a_file_that_is_no_cube_is_told(text: str) -> None:
    with pytest.raises(ContractError, match="not as floe renders it"):
        read_cube(text)


def test_queries_without_a_job_of_their_own_are_told_as_others(
    make_record: Any, served_bundle: ServedBundle, openlineage: Schemas
) -> None:
    query = query_of(PLACE, "cube-1", "1.7.43", make_record(user=None, row_owners={}))
    own, other = (
        query_events(Telling(each, AlikeQueries("2026-11-21T19:11:29Z", 1, 0, 0)), served_bundle)[1]
        for each in (query, replace(query, named=OTHER))
    )
    assert openlineage.problems(other) == []
    assert other["job"]["name"] == other["outputs"][0]["name"] == "shop.cube.orders.other"
    assert "beyond" in other["job"]["facets"]["documentation"]["description"]
    assert other["run"]["runId"] == own["run"]["runId"]
    refused = query_of(
        PLACE,
        "cube-1",
        "1.7.43",
        make_record(kind="failed", members=[], user=None, row_owners={}, error="no such member"),
    )
    telling = Telling(refused, AlikeQueries("2026-11-21T19:11:29Z", 1, 0, 0))
    _, failed = query_events(telling, served_bundle)
    assert (failed["job"]["name"], failed["inputs"]) == ("shop.cube.query.refused", [])
    assert failed["run"]["facets"]["floe_query"]["members"] == ["orders.revenue", "orders.status"]
