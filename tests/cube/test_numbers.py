"""The numbers that Cube answers with are those of the landed tables: for every measure and dimension of the example."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import pytest
from cube_client import CubeAnswer, CubeClient  # found by the path that conftest.py adds
from landed_numbers import JOINS, MEASURES, OVER_TIME, Landed, answered, landed
from served_example import ServedExample

pytestmark = [pytest.mark.bus, pytest.mark.dbt]

BRANDS: Final = ("aurora", "birch", "cobalt", "dune")
FEWEST: Final = "dune"
ROLES: Final = ["data_owner", "finance"]
NAMESPACE: Final = ("default", "dev", "orders", "main")
MOST_ROWS: Final = 50_000
DAY: Final = "fct_orders.order_date"


@pytest.fixture(scope="module")
def tables(example: ServedExample) -> Landed:
    return landed_of(example)


def landed_of(example: ServedExample) -> Landed:
    return landed(example.stack.folder / ".floe", NAMESPACE)


@pytest.fixture(scope="module")
def cubes(example: ServedExample) -> list[dict[str, Any]]:
    answer = of(example, FEWEST).meta().body
    return list(answer["cubes"])


def of(example: ServedExample, brand: str) -> CubeClient:
    """A caller of a brand who may see everything of it."""
    return example.cube.client({"brand": brand, "roles": ROLES})


def original(member: dict[str, Any]) -> str:
    """The member of a cube that a member of a view stands for."""
    return str(member.get("aliasMember") or member["name"])


def members(cubes: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [member for cube in cubes for member in cube[kind]]


def graphql(client: CubeClient, name: str, fields: list[str], where: str = "") -> list[dict[str, Any]]:
    answer = client.graphql(f"{{ cube(limit: {MOST_ROWS}) {{ {name}{where} {{ {' '.join(fields)} }} }} }}")
    assert answer.status == 200, answer.body
    assert "errors" not in answer.body, answer.body
    return [row[name] for row in answer.body["data"]["cube"]]


def test_every_measure_is_expected_to_be_something(cubes: list[dict[str, Any]]) -> None:
    """A new measure of the example needs a line in landed_numbers.py."""
    assert {original(measure) for measure in members(cubes, "measures")} == MEASURES.keys() | OVER_TIME.keys()
    assert len(members(cubes, "dimensions")) > len({original(one) for one in members(cubes, "dimensions")}) > 50


def test_every_measure_of_every_owner_over_rest_and_graphql(
    example: ServedExample, cubes: list[dict[str, Any]], tables: Landed
) -> None:
    compared = 0
    for brand in BRANDS:
        client = of(example, brand)
        for cube in cubes:
            measures = [one for one in cube["measures"] if original(one) in MEASURES]
            expected = {one["name"]: tables.total(original(one), brand) for one in measures}
            (row,) = client.load({"measures": list(expected)}).data
            assert {name: answered(value, "number") for name, value in row.items()} == expected
            (row,) = graphql(client, cube["name"], [name.partition(".")[2] for name in expected])
            named = {f"{cube['name']}.{name}": answered(value, "number") for name, value in row.items()}
            assert named == expected
            compared += len(expected)
    assert compared >= len(BRANDS) * len(MEASURES)


def test_every_dimension_over_rest_and_graphql(
    example: ServedExample, cubes: list[dict[str, Any]], tables: Landed
) -> None:
    client = of(example, FEWEST)
    for cube in cubes:
        root, counted = next(
            (original(one).partition(".")[0], one) for one in cube["measures"] if one.get("aggType") == "count"
        )
        for dimension in cube["dimensions"]:
            other = original(dimension).partition(".")[0]
            assert other == root or (root, other) in JOINS
            expected = sorted(tables.by(original(counted), original(dimension), FEWEST), key=repr)
            name, kind = dimension["name"], dimension["type"]
            query = {"dimensions": [name], "measures": [counted["name"]], "limit": MOST_ROWS}
            rows = client.load(query).data
            shown = [(answered(row[name], kind), answered(row[counted["name"]], "number")) for row in rows]
            assert sorted(shown, key=repr) == expected, name

            short, count = name.partition(".")[2], counted["name"].partition(".")[2]
            if kind == "time":  # Cube's schema has no null moments, and refuses to answer with one
                rows = graphql(
                    client, cube["name"], [f"{short} {{ value }}", count], f"(where: {{{short}: {{set: true}}}})"
                )
                rows = [row | {short: row[short]["value"]} for row in rows]
                expected = [row for row in expected if row[0] is not None]
            else:
                rows = graphql(client, cube["name"], [short, count])
            shown = [(answered(row[short], kind), answered(row[count], "number")) for row in rows]
            assert sorted(shown, key=repr) == expected, f"{name} over GraphQL"


@pytest.mark.parametrize("measure", sorted(OVER_TIME))
def test_measures_over_time(example: ServedExample, tables: Landed, measure: str) -> None:
    first, last = "2025-02-20", "2025-03-10"
    days = {"dimension": DAY, "granularity": "day", "dateRange": [first, last]}
    for brand in BRANDS:
        rows = of(example, brand).load({"measures": [measure], "timeDimensions": [days]}).data
        shown = [(row[f"{DAY}.day"], answered(row[measure], "number")) for row in rows]
        assert shown == tables.over_time(measure, brand, first, last)


def test_what_did_not_change_stays_cached_and_what_did_is_seen_while_queries_and_builds_go_on(
    example: ServedExample,
) -> None:
    """Two runs, each with another order table; all the while somebody asks."""
    client = of(example, FEWEST)
    orders = {"measures": ["fct_orders.count", "fct_orders.net_sum"]}
    products = {"measures": ["dim_products.count"], "dimensions": ["dim_products.department"]}
    before, refreshed = client.load(orders).data, client.load(products).body["lastRefreshTime"]
    model = example.stack.folder / "dbt/models/marts/fct_orders.sql"
    text = model.read_text()
    try:
        with asking(client, orders) as asked:
            for share in (2, 3):
                model.write_text(f"select * from (\n{text}\n) as orders where order_id % {share} = 0\n")
                example.build()
                expected = landed_of(example).total("fct_orders.count", FEWEST)
                example.cube.eventually(partial(shows, client, orders, expected), "the rows are seen")
    finally:
        model.write_text(text)
        example.build()
    example.cube.eventually(lambda: client.load(orders).data == before, "what there was is seen again")
    assert len(asked) > 20
    assert {answer.status for answer in asked} == {200}, [answer.body for answer in asked if answer.status != 200]
    counts = [int(answer.data[0]["fct_orders.count"]) for answer in asked]
    assert counts[0] == int(before[0]["fct_orders.count"])
    assert counts == sorted(counts, reverse=True), "no answer is older than one before it"
    assert len(set(counts)) == 3
    again = client.load(products)
    assert again.body["lastRefreshTime"] == refreshed


def shows(client: CubeClient, query: dict[str, Any], expected: str) -> bool:
    (row,) = client.load(query).data
    return bool(row[query["measures"][0]] == expected)


@contextmanager
def asking(client: CubeClient, query: dict[str, Any]) -> Iterator[list[CubeAnswer]]:
    """Ask all the time; gives the answers by then."""
    answers: list[CubeAnswer] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            answers.append(client.load(query))

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        yield answers
    finally:
        over.set()
        asker.join()
