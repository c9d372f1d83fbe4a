"""What a real Cube tells of its queries, and what it keeps to itself."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from access_product import bundle, statements
from bundle_server import BundleServer, Request, reply, served_cube
from cube_home import CubeHome
from cube_server import CubeServer

Served = tuple[CubeServer, BundleServer]
Asked = Callable[[Callable[[], Any]], list[dict[str, Any]]]

REVENUE = {"measures": ["orders.revenue"], "dimensions": ["orders.status"]}


@pytest.fixture(scope="module")
def served(cube_home: CubeHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("queries")
    rendered = bundle("prod")
    database = folder / "warehouse.duckdb"
    with duckdb.connect(str(database)) as connection:
        for statement in statements():
            connection.execute(statement)
    environment = {"CUBEJS_DB_TYPE": "duckdb", "CUBEJS_DB_DUCKDB_DATABASE_PATH": str(database)}
    with served_cube(
        cube_home,
        folder / "cube",
        rendered.files,
        roles=rendered.roles,
        claims=rendered.claims,
        environment=environment,
    ) as found:
        yield found


@pytest.fixture
def told(served: Served) -> Asked:
    """Do something, and have the records that Cube tells of it, by the time that it told of one more query."""
    cube, bundles = served

    def do(act: Callable[[], Any]) -> list[dict[str, Any]]:
        before = len(records(bundles))
        act()
        assert cube.client({"brand": "acme", "sub": "the last"}).load({"measures": ["stores.count"]}).status == 200
        cube.eventually(lambda: records(bundles)[before:][-1:] and records(bundles)[-1]["user"] == "the last", "told")
        return records(bundles)[before:-1]

    return do


def records(bundles: BundleServer) -> list[dict[str, Any]]:
    return [event for batch in bundles.batches for event in batch["events"]]


def caller(cube: CubeServer, *roles: str) -> Any:
    return cube.client({"brand": "acme", "sub": "ann@example.com", "roles": list(roles), "secret": "keep me"})


def test_a_query_is_told_with_its_members_and_without_its_values(served: Served, told: Asked) -> None:
    cube, bundles = served
    query = {
        **REVENUE,
        "timeDimensions": [
            {"dimension": "orders.ordered_at", "granularity": "day", "dateRange": ["2026-01-01", "2026-01-31"]}
        ],
        "filters": [{"or": [{"member": "orders.status", "operator": "equals", "values": ["open", "paid"]}]}],
        "order": {"orders.revenue": "desc"},
    }
    [record] = told(lambda: caller(cube, "finance").load(query).data)
    assert (record["kind"], record["api"], record["cached"]) == ("succeeded", "rest", False)
    assert record["queries"] == [
        {
            "measures": ["orders.revenue"],
            "dimensions": ["orders.status"],
            "segments": [],
            "time_dimensions": [{"dimension": "orders.ordered_at", "granularity": "day", "ranged": True}],
            "filters": [{"or": [{"member": "orders.status", "operator": "equals"}]}],
            "order": [{"member": "orders.revenue", "descending": True}],
            "ungrouped": False,
        }
    ]
    assert {"orders.revenue", "orders.status", "orders.ordered_at", "orders.brand"} <= set(record["members"])
    assert set(record["shown"]) == {"orders.revenue", "orders.status", "orders.ordered_at.day"}
    assert {"orders.status", "orders.ordered_at", "orders.brand"} <= set(record["filtered"])
    assert (record["user"], record["row_owners"]) == ("ann@example.com", {"brand": "acme"})
    assert record["bundle_digest"] == bundles.polls[-1]["serving"]
    assert record["started_at"] <= record["at"]
    assert record["sql"][0].startswith("SELECT")
    text = json.dumps([batch for batch in bundles.batches if record in batch["events"]])
    for value in ("keep me", "2026-01", '"paid"', "Bearer", "eyJ"):
        assert value not in text
    assert {batch["cube_version"] for batch in bundles.batches} == {"1.7.43"}
    assert {(batch["environment"], batch["product"]) for batch in bundles.batches} == {("dev", "orders")}


def test_an_answer_from_the_cache_says_so(served: Served, told: Asked) -> None:
    cube, _ = served
    query = {"dimensions": ["customers.segment"]}
    first, second = told(lambda: [caller(cube).load(query).data for _ in range(2)])
    assert (first["cached"], second["cached"]) == (False, True)


def test_graphql_is_told_likewise(served: Served, told: Asked) -> None:
    cube, _ = served
    [record] = told(lambda: caller(cube, "finance").graphql("{ cube { orders { revenue status } } }"))
    assert (record["kind"], record["api"]) == ("succeeded", "graphql")
    assert record["queries"][0]["measures"] == ["orders.revenue"]


def test_what_policies_mask_is_told(served: Served, told: Asked) -> None:
    cube, _ = served
    [record] = told(lambda: caller(cube).load({"dimensions": ["customers.email"]}).data)
    assert (record["kind"], record["masked"], record["denied"]) == ("succeeded", ["customers.email"], [])


def test_what_policies_deny_is_told(served: Served, told: Asked) -> None:
    cube, _ = served
    [record] = told(lambda: caller(cube).load({"measures": ["payments.total_paid"]}))
    assert record["denied"] == ["payments"]
    assert record["queries"][0]["measures"] == ["payments.total_paid"]


def test_members_of_a_view_are_told_with_those_of_its_cubes(served: Served, told: Asked) -> None:
    cube, _ = served
    [record] = told(lambda: caller(cube, "finance").load({"measures": ["board.revenue"]}).data)
    assert {"board.revenue", "orders.revenue"} <= set(record["members"])


def test_a_failure_is_told_without_what_it_quotes(served: Served, told: Asked) -> None:
    cube, _ = served
    wrong = {
        "measures": ["orders.count"],
        "filters": [{"member": "orders.customer_id", "operator": "gt", "values": ["ann.smith"]}],
    }
    unknown = {"measures": ["orders.nix"]}
    first, second = told(lambda: [caller(cube).load(query) for query in (wrong, unknown)])
    assert (first["kind"], first["error"]) == ("failed", "Conversion Error: Could not convert string '?'")
    assert second["kind"] == "failed"
    assert "orders.count" in first["members"]


def test_what_is_no_query_is_not_told(served: Served, told: Asked) -> None:
    cube, _ = served

    def ask() -> None:
        client = caller(cube, "finance")
        client.meta()
        client.sql(REVENUE)
        client.dry_run(REVENUE)
        client.get("/readyz", {})
        assert cube.client({"sub": "bob"}).load(REVENUE).status == 403  # turned away at the door

    assert told(ask) == []


def test_queries_of_one_request_are_told_apart(served: Served, told: Asked) -> None:
    cube, _ = served
    found = told(
        lambda: caller(cube, "finance").graphql("{ cube { stores { city } } more: cube { customers { segment } } }")
    )
    assert sorted(record["queries"][0]["dimensions"][0] for record in found) == ["customers.segment", "stores.city"]
    assert len({record["request"] for record in found}) == 1


def test_what_cannot_be_told_waits_for_the_service(served: Served, told: Asked) -> None:
    cube, bundles = served
    before = len(records(bundles))
    bundles.fault = lambda handler: reply(handler, 503, {}, {"detail": "not now"})
    try:
        for city in range(5):
            query = {"dimensions": ["stores.city"], "limit": city + 1}
            assert caller(cube, "finance").load(query).status == 200
        cube.eventually(lambda: "are not told to the semantic service" in cube.log(), "it says so")
        assert len(records(bundles)) == before
    finally:
        bundles.fault = None
    cube.eventually(lambda: len(records(bundles)) >= before + 5, "all are told")
    assert cube.log().count("are not told to the semantic service") == 1


def test_a_service_that_hangs_holds_no_query_up(served: Served, told: Asked) -> None:
    cube, bundles = served
    hanging, over = threading.Event(), threading.Event()

    def hang(handler: Request) -> None:
        if handler.path == "/v1/cube/queries":
            hanging.set()
            over.wait(60)
        reply(handler, *bundles.answer(handler))

    def ask() -> None:
        bundles.fault = hang
        try:
            assert caller(cube).load({"dimensions": ["customers.segment"]}).status == 200
            cube.eventually(hanging.is_set, "Cube tells of it")
            for _ in range(20):
                assert caller(cube).load({"dimensions": ["customers.segment"]}).status == 200
            assert not over.is_set()
        finally:
            bundles.fault = None
            over.set()

    assert len(told(ask)) == 21


def test_what_waits_is_told_when_cube_stops(served: Served) -> None:
    cube, bundles = served
    before = len(records(bundles))
    assert caller(cube).load({"dimensions": ["customers.segment"]}).status == 200
    try:
        cube.stop(signal.SIGTERM)
        assert [record["queries"][0]["dimensions"] for record in records(bundles)[before:]] == [["customers.segment"]]
    finally:
        cube.start()
        cube.wait_until_ready()


SLOW = """
cubes:
  - name: slow
    sql: select a.range as id from range(1000000) a, range(1000000) b where (a.range * b.range) % 7 = 3
    dimensions:
      - name: id
        sql: id
        type: number
        primary_key: true
    measures:
      - name: count
        type: count
"""


def test_a_query_that_cube_dies_over_was_told_to_run(cube_home: CubeHome, tmp_path: Path) -> None:
    with served_cube(cube_home, tmp_path, {"slow.yml": SLOW}) as (cube, bundles):
        threading.Thread(target=lambda: _ask_for_ever(cube), daemon=True).start()
        cube.eventually(lambda: records(bundles), "it is told to run")
        cube.stop(signal.SIGKILL)
    [record] = records(bundles)
    assert (record["kind"], record["announced"]) == ("started", True)
    assert record["queries"][0]["measures"] == ["slow.count"]


def _ask_for_ever(cube: CubeServer) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        cube.client({"sub": "ann"}).load({"measures": ["slow.count"]})
