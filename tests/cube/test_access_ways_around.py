"""Ways around the policies that Cube might leave open, each tried by somebody who may see little."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from access_oracle import Caller, Question, Truth, expected  # found by the path that conftest.py adds
from access_product import CLAIM
from access_server import client_of, duckdb_settings, secrets_of, shop_cube, told
from cube_client import CubeAnswer, CubeClient
from cube_home import CubeHome
from cube_server import CubeServer
from tokens import token

NOBODY = Caller("acme", frozenset())
EVERYBODY = Caller("acme", frozenset({"data-owner", "finance", "constructor"}))
SECRETS = secrets_of("prod", NOBODY)
OWN_IDS = [1, 2, 3, 6]


@pytest.fixture(scope="module")
def cube(cube_home: CubeHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CubeServer]:
    folder = tmp_path_factory.mktemp("cube")
    with shop_cube(cube_home, folder / "cube", "prod", duckdb_settings(folder)) as running:
        yield running


@pytest.fixture
def client(cube: CubeServer) -> CubeClient:
    return client_of(cube, NOBODY)


def ids(answer: CubeAnswer, place: str = "orders") -> list[int]:
    return sorted(int(row[f"{place}.order_id"]) for row in answer.data)


def condition(member: str, operator: str, *values: str) -> dict[str, Any]:
    return {"member": member, "operator": operator, **({"values": list(values)} if values else {})}


def expression(member: str, cube: str = "orders", **more: Any) -> dict[str, Any]:
    """A member as the SQL API sends it: here a harmless name with the value of another measure behind it."""
    patched = {"type": "PatchMeasure", "sourceMeasure": member, "replaceAggregationType": "max", "addFilters": []}
    return {"cubeName": cube, "name": "count", "expressionName": f"{cube}.count", "expression": patched, **more}


def sql_join(on: Any) -> list[dict[str, Any]]:
    return [{"sql": "select email from shop.customers", "on": on, "joinType": "LEFT", "alias": "c"}]


EXPRESSION_QUERIES: dict[str, dict[str, Any]] = {
    "a patched measure": {"measures": [expression("orders.revenue")]},
    "a patched measure with its definition": {"measures": [expression("orders.revenue", definition="{}")]},
    "a patched measure by a dimension": {"measures": [expression("orders.largest")], "dimensions": ["orders.order_id"]},
    "a patched measure of what is denied": {"measures": [expression("payments.total_paid", "payments")]},
    "a patched measure in a total": {"measures": [expression("orders.revenue")], "total": True},
    "a function": {
        "measures": [{"cubeName": "orders", "name": "count", "expression": ["orders", "return `max(note)`"]}]
    },
    "a dimension": {"dimensions": [{"cubeName": "orders", "name": "note", "expression": ["orders", "return `note`"]}]},
    "a segment": {
        "dimensions": ["orders.order_id"],
        "segments": [{"cubeName": "orders", "name": "s", "expression": ["orders", "return `amount > 300`"]}],
    },
    "a text": {
        "measures": [
            json.dumps(
                {"cubeName": "orders", "alias": "x", "expr": {"type": "SqlFunction", "cubeParams": [], "sql": "1"}}
            )
        ]
    },
    "a join by a text": {"dimensions": ["orders.order_id"], "subqueryJoins": sql_join("1 = 1")},
    "a join by an object": {
        "dimensions": ["orders.order_id"],
        "subqueryJoins": sql_join({"cubeName": "orders", "name": "x", "expression": ["orders", "return `1 = 1`"]}),
    },
    "a join by a patched measure": {
        "dimensions": ["orders.order_id"],
        "subqueryJoins": sql_join(expression("orders.count")),
    },
    "masks of one's own": {"dimensions": ["orders.note"], "maskedMembers": []},
    "masks of another member": {"dimensions": ["orders.note"], "maskedMembers": [{"member": "orders.status"}]},
}


@pytest.mark.parametrize("name", EXPRESSION_QUERIES)
def test_what_only_the_sql_api_may_send_is_refused(client: CubeClient, name: str) -> None:
    query = EXPRESSION_QUERIES[name]
    for answer in (client.load(query), client.load(query, queryType="multi"), client.sql(query), client.dry_run(query)):
        assert answer.status in (400, 403, 500), answer
        assert told(answer, SECRETS) == set()
    with_text = client.get("/cubejs-api/v1/load", {"query": json.dumps(query)})
    assert with_text.status in (400, 403, 500)
    assert told(with_text, SECRETS) == set()


@pytest.mark.parametrize("cube_name", ["orders", "payments"])
def test_expressions_are_refused_before_cube_looks_at_them(client: CubeClient, cube_name: str) -> None:
    """Whether or not the policies let the query pass."""
    measure = {"orders": "orders.revenue", "payments": "payments.total_paid"}[cube_name]
    for query in ({"measures": [expression(measure, cube_name)]}, [{"measures": [expression(measure, cube_name)]}]):
        for answer in (client.sql(query), client.dry_run(query), client.load(query)):
            assert (answer.status, answer.error) == (403, "members are named by text")


@pytest.mark.parametrize(
    "filters",
    [
        [{"or": [condition("orders.amount", "gt", "300"), condition("orders.note", "contains", "acme")]}],
        [{"and": [{"or": [condition("orders.amount", "lt", "300"), condition("orders.amount", "gte", "300")]}]}],
        [{"or": [{"and": [condition("orders.is_large", "equals", "large")]}, condition("orders.amount", "set")]}],
        [condition("orders.label", "set")],
        [condition("orders.amount", "in", "101", "203")],
        [condition("orders.note", "startsWith", "note")],
        [condition("orders.revenue", "gt", "0")],
        [{"or": [condition("orders.revenue", "gt", "0"), condition("orders.largest", "lt", "999")]}],
    ],
    ids=lambda value: json.dumps(value)[:70],
)
def test_filters_on_what_is_hidden_find_nothing(cube: CubeServer, filters: list[dict[str, Any]]) -> None:
    query = {"dimensions": ["orders.order_id"], "filters": filters}
    assert client_of(cube, NOBODY).load(query).data == []
    assert client_of(cube, EVERYBODY).load(query).data != []


@pytest.mark.parametrize(
    "filters",
    [
        [{"or": [condition("orders.brand", "equals", "globex"), condition("orders.brand", "set")]}],
        [{"or": [condition("orders.brand", "equals", "globex"), condition("orders.order_id", "gt", "0")]}],
        [
            {
                "or": [
                    condition("orders.brand", "notSet"),
                    condition("orders.brand", "notEquals", "acme"),
                    condition("orders.order_id", "set"),
                ]
            }
        ],
        [{"and": [{"or": [condition("orders.order_id", "gt", "0"), {"and": [condition("orders.brand", "set")]}]}]}],
    ],
    ids=str,
)
def test_no_filter_opens_the_rows_of_others(client: CubeClient, filters: list[dict[str, Any]]) -> None:
    assert ids(client.load({"dimensions": ["orders.order_id"], "filters": filters})) == OWN_IDS
    assert client.load({"measures": ["orders.count"], "filters": filters}).data == [{"orders.count": "4"}]


@pytest.mark.parametrize(
    "filters",
    [
        [{"member": "orders.large_orders", "operator": "measureFilter"}],
        [{"dimension": "orders.large_orders", "operator": "measureFilter"}],
        [{"or": [{"and": [{"member": "orders.large_orders", "operator": "measureFilter"}]}]}],
        [{"member": "board.large_orders", "operator": "measureFilter"}],
        [{"member": "orders.large_orders", "operator": "measure_filter"}],
    ],
    ids=str,
)
def test_the_filters_of_a_measure_are_no_filter_of_rows(cube: CubeServer, filters: list[dict[str, Any]]) -> None:
    """They are SQL over columns that the caller may not see, past any mask."""
    for more in ({"dimensions": ["orders.order_id"]}, {"measures": ["orders.count"]}, {"measures": ["board.count"]}):
        query = {**more, "filters": filters}
        for client in (client_of(cube, NOBODY), client_of(cube, EVERYBODY)):
            for answer in (
                client.load(query),
                client.load(query, queryType="multi"),
                client.load({**query, "total": True}),
                client.get("/cubejs-api/v1/load", {"query": json.dumps(query)}),
                client.sql(query),
                client.dry_run(query),
            ):
                assert (answer.status, answer.error) == (403, "a measure is no filter of rows"), answer


def test_joins_that_the_caller_chooses_pass_over_nobody(client: CubeClient) -> None:
    """Order 3 belongs to the caller, and its customer to another owner."""
    query = {"dimensions": ["orders.order_id", "customers.segment"]}
    for hints in ([], [["orders", "customers"]], [["customers", "orders"]], [["orders", "customers", "stores"]]):
        answer = client.load({**query, "joinHints": hints})
        assert (ids(answer) if answer.status == 200 else [1, 2, 6]) in ([1, 2, 6], [])
    stores = client.load(
        {"dimensions": ["orders.order_id", "stores.city"], "joinHints": [["orders", "customers", "stores"]]}
    )
    assert ids(stores) == []


def test_a_view_opens_no_cube_that_is_asked_beside_it(client: CubeClient) -> None:
    query = {
        "dimensions": ["board.order_id", "orders.note", "orders.amount", "orders.label", "customers.email"],
        "measures": ["orders.revenue", "customers.oldest"],
    }
    answer = client.load(query)
    assert ids(answer, "board") == [1, 2, 6]
    assert told(answer, SECRETS) == set()
    assert client.load({"dimensions": ["board.order_id", "payments.card"]}).status != 200
    for member in ("board.amount", "board.is_large", "board.stores_rent"):
        assert client.load({"dimensions": ["board.order_id", member]}).data == []


def test_hidden_measures_over_time_are_null(cube: CubeServer) -> None:
    query = {
        "measures": ["orders.revenue_so_far"],
        "timeDimensions": [
            {"dimension": "orders.ordered_at", "granularity": "month", "dateRange": ["2026-01-01", "2026-02-28"]}
        ],
    }
    hidden = client_of(cube, NOBODY).load(query)
    assert told(hidden, SECRETS) == set()
    assert {row["orders.revenue_so_far"] for row in hidden.data} == {None}
    shown = [row["orders.revenue_so_far"] for row in client_of(cube, EVERYBODY).load(query).data]
    assert [float(value) for value in shown] == [101 + 203 + 307, 101 + 203 + 307 + 601]


def test_hidden_measures_row_by_row_are_null(client: CubeClient) -> None:
    query = {"measures": ["orders.revenue", "orders.largest"], "dimensions": ["orders.order_id"], "ungrouped": True}
    answer = client.load(query)
    assert ids(answer) == OWN_IDS
    assert {row["orders.revenue"] for row in answer.data} == {row["orders.largest"] for row in answer.data} == {None}


@pytest.mark.parametrize(
    "query",
    [
        {
            "measures": ["orders.revenue", "orders.count"],
            "timeDimensions": [
                {
                    "dimension": "orders.ordered_at",
                    "granularity": "month",
                    "compareDateRange": [["2026-01-01", "2026-01-31"], ["2026-02-01", "2026-02-28"]],
                }
            ],
        },
        [
            {
                "measures": [measure],
                "timeDimensions": [{"dimension": "orders.ordered_at", "granularity": "month"}],
            }
            for measure in ("orders.revenue", "orders.count")
        ],
    ],
    ids=["compared dates", "blended queries"],
)
def test_each_of_several_queries_is_under_the_policies(cube: CubeServer, client: CubeClient, query: Any) -> None:
    """Read from the SQL: what puts the answers together is in Cube's native module, which is not here."""
    statements = client.sql(query).body
    assert len(statements) == 2
    for statement in statements:
        text, values = statement["sql"]["sql"]
        assert "amount" not in text
        assert "acme" in values
    answer = client.load(query, queryType="multi")
    assert told(answer, SECRETS) == set()
    unmasked = client_of(cube, EVERYBODY).sql(query).body
    assert any("amount" in statement["sql"]["sql"][0] for statement in unmasked)


def test_the_sql_that_is_shown_has_what_would_run(client: CubeClient) -> None:
    text, values = client.sql({"dimensions": ["orders.note"], "measures": ["orders.revenue"]}).body["sql"]["sql"]
    assert ("note" in text.replace("orders__note", ""), "amount" in text, values) == (False, False, ["acme"])
    denied = client.sql({"measures": ["payments.total_paid"]}).body["sql"]["sql"][0]
    assert "1 = 0" in denied


def test_graphql_shows_what_rest_shows(cube: CubeServer) -> None:
    query = "{ cube { orders { order_id note amount } customers { email age } } }"
    hidden = client_of(cube, NOBODY).graphql(query)
    assert told(hidden, SECRETS) == set()
    assert sorted(row["orders"]["order_id"] for row in hidden.body["data"]["cube"]) == [1, 2, 6]
    shown = client_of(cube, EVERYBODY).graphql(query)
    assert "ann@acme.test" in str(shown.body)
    probing = "{ cube(where: { orders: { amount: { gt: 300 } } }) { orders { order_id } } }"
    assert client_of(cube, NOBODY).graphql(probing).body["data"]["cube"] == []
    ordered = "{ cube(orderBy: { orders: { amount: desc } }) { orders { order_id } } }"
    rows = client_of(cube, NOBODY).graphql(ordered).body["data"]["cube"]
    assert [row["orders"]["order_id"] for row in rows] == OWN_IDS


def test_graphql_names_members_that_are_hidden_and_shows_none(cube: CubeServer) -> None:
    """Cube keeps one GraphQL schema for all callers, so names of members are no secret there."""
    answer = client_of(cube, NOBODY).graphql("{ cube { payments { paid card } } }")
    assert told(answer, SECRETS) == set()
    assert not (answer.body.get("data") or {}).get("cube")
    names = '{ __type(name: "PaymentsMembers") { fields { name } } }'
    assert "paid" in str(client_of(cube, NOBODY).graphql(names).body)


def test_meta_has_no_denied_member(cube: CubeServer) -> None:
    hidden, shown = client_of(cube, NOBODY).members(), client_of(cube, EVERYBODY).members()
    assert "total_paid" not in hidden["payments"]
    assert "amount" not in hidden["board"]
    # The cubes below a view have null instead, and so they name it.
    assert "amount" in hidden["orders"]
    assert {"total_paid", "paid"} <= set(shown["payments"])
    assert "amount" in shown["board"]
    extended = json.dumps(client_of(cube, NOBODY).meta(extended="true").body)
    assert "payments.paid" not in extended
    assert "board.amount" not in extended


def test_answers_are_not_shared_between_callers(cube: CubeServer) -> None:
    """The same words at the same time under the same request id, from the cache and past it."""
    query = {"dimensions": ["orders.order_id", "orders.amount"], "measures": ["orders.count"]}
    callers = (NOBODY, EVERYBODY, Caller("globex", frozenset()), Caller("globex", frozenset({"finance"})))
    truth = Truth()
    wanted = {
        caller: expected(
            truth, "prod", caller, Question("cube", "orders", ("orders.order_id", "orders.amount"), ("orders.count",))
        )
        for caller in callers
    }
    for mode in ("stale-if-slow", "stale-while-revalidate", "must-revalidate", "no-cache"):
        for caller in (*callers, *reversed(callers)):
            rows = _with_request_id(cube, caller, {**query, "cache": mode})
            found = sorted(
                (int(row["orders.order_id"]), int(row["orders.amount"]) if row["orders.amount"] else None, 1)
                for row in rows
            )
            assert found == sorted(wanted[caller] or []), (mode, caller)


def _with_request_id(cube: CubeServer, caller: Caller, query: dict[str, Any]) -> list[dict[str, Any]]:
    claims = {CLAIM: caller.owner, "roles": sorted(caller.roles)}
    headers = {"Authorization": token(claims), "Content-Type": "application/json", "x-request-id": "one-id-for-all"}
    while True:
        request = urllib.request.Request(  # noqa: S310 - a test's own server
            f"{cube.url}/cubejs-api/v1/load", json.dumps({"query": query}).encode(), headers
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            body = json.loads(answer.read())
        if "data" in body:
            return list(body["data"])
        assert body["error"] == "Continue wait"


@pytest.mark.parametrize(
    ("method", "path", "document"),
    [
        ("POST", "/cubejs-api/v1/graphql-to-json", {"query": "{ cube { payments { paid } } }"}),
        ("POST", "/cubejs-api/v1/pre-aggregations/can-use", {}),
        (
            "POST",
            "/cubejs-api/v1/pre-aggregations/jobs",
            {
                "action": "post",
                "selector": {"contexts": [{"securityContext": {CLAIM: "globex"}}], "timezones": ["UTC"]},
            },
        ),
        ("POST", "/cubejs-api/v1/cubesql", {"query": "select * from payments"}),
        (
            "POST",
            "/cubejs-api/v1/convert-query",
            {"input": "sql", "output": "rest", "query": "select paid from payments"},
        ),
        ("GET", "/cubejs-api/v1/run-scheduled-refresh", None),
        ("GET", "/cubejs-api/v1/pre-aggregations", None),
        ("GET", "/cubejs-system/v1/context", None),
        ("GET", "/cubejs-system/v1/pre-aggregations", None),
        ("POST", "/cubejs-system/v1/pre-aggregations/preview", {}),
        ("GET", "/playground/context", None),
        ("GET", "/playground/files", None),
        ("POST", "/playground/token", {"payload": {CLAIM: "globex"}}),
    ],
    ids=str,
)
def test_other_doors_are_closed(client: CubeClient, method: str, path: str, document: dict[str, Any] | None) -> None:
    answer = client.get(path) if method == "GET" else client.post(path, document or {})
    assert answer.status in (403, 404, 500), answer
    assert told(answer, SECRETS) == set()


@pytest.mark.parametrize(
    "member",
    ["orders.__proto__", "orders.constructor", "constructor.name", "__proto__.x", "orders.nothing", "nothing.count"],
)
def test_members_that_are_none_are_refused_and_harm_nothing(client: CubeClient, member: str) -> None:
    for query in (
        {"dimensions": [member]},
        {"measures": [member]},
        {"segments": [member], "measures": ["orders.count"]},
        {"measures": ["orders.count"], "filters": [condition(member, "set")]},
        {"measures": ["orders.count"], "timeDimensions": [{"dimension": member, "granularity": "day"}]},
    ):
        answer = client.load(query)
        assert answer.status in (400, 403, 500), answer
        assert told(answer, SECRETS) == set()
    assert client.load({"measures": ["orders.count"]}).data == [{"orders.count": "4"}]


@pytest.mark.parametrize(
    "change",
    [
        {"timeDimensions": [{"dimension": "orders.ordered_at", "granularity": "day', note) --"}]},
        {
            "timeDimensions": [
                {"dimension": "orders.ordered_at", "dateRange": ["2026-01-01' or '1' = '1", "2026-02-01"]}
            ]
        },
        {"timezone": "UTC' or 1 = 1 --"},
        {"filters": [condition("orders.status", "equals", "paid' or '1' = '1")]},
        {"filters": [condition("orders.status", "contains", "%' or '1' = '1")]},
        {"filters": [condition("orders.amount", "gt", "0 or 1 = 1")]},
        {"limit": "1; drop table shop.orders"},
        {"order": {"orders.order_id, note": "asc"}},
        {"order": {"orders.order_id": "asc, note"}},
    ],
    ids=str,
)
def test_sql_in_a_query_is_text(client: CubeClient, change: dict[str, Any]) -> None:
    answer = client.load({"measures": ["orders.count"], **change})
    assert told(answer, SECRETS) == set()
    rows = answer.data if answer.status == 200 else []
    assert all(int(row["orders.count"]) <= len(OWN_IDS) for row in rows)
    assert client.load({"measures": ["orders.count"]}).data == [{"orders.count": "4"}]
