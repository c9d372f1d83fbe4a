"""`meta.floe.landing`: what is taken, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from floe_contracts.errors import FloeError
from floe_contracts.nodes import NodeLanding
from floe_dbt.errors import DbtMetaInvalid, DbtMetaProblem
from floe_dbt.landing_meta import read_landing
from floe_dbt.nodes import read_nodes

MODELS = """
models:
  - name: orders
    config:
      materialized: incremental
      unique_key: id
      meta: {floe: {landing: {mode: upsert, partition_by: [day(ordered_at), "bucket[16](id)"]}}}
  - name: events
    config: {materialized: incremental, meta: {floe: {landing: {mode: append, watermark: happened_at}}}}
  - name: plain
"""


def resource(**changes: Any) -> dict[str, Any]:
    config = {"materialized": "incremental", "unique_key": "id", **changes.pop("config", {})}
    return {"name": "orders", "resource_type": "model", "config": config, "columns": {}, **changes}


def problems_of(stated: dict[str, Any], **changes: Any) -> list[FloeError]:
    problems: list[FloeError] = []
    assert (read_landing(stated, resource(**changes), "models/schema.yml", problems) is None) is bool(problems)
    return problems


def test_a_project_says_how_its_nodes_land(parse: Any, make_project: Any) -> None:
    files = {f"models/{name}.sql": "select 1 as id" for name in ("orders", "events", "plain")}
    graph = read_nodes(parse(make_project({**files, "models/schema.yml": MODELS})).manifest)
    orders, events, plain = (graph.node(f"model.shop.{name}") for name in ("orders", "events", "plain"))
    assert orders
    assert events
    assert plain
    assert orders.landing == NodeLanding(mode="upsert", partition_by=("day(ordered_at)", "bucket[16](id)"))
    assert (events.landing, plain.landing) == (NodeLanding(mode="append", watermark="happened_at"), None)


def test_all_that_is_wrong_is_told_at_once_with_its_place(parse: Any, make_project: Any) -> None:
    wrong = MODELS.replace("mode: upsert", "mode: upsrt").replace("watermark: happened_at", "watermrk: happened_at")
    files = {f"models/{name}.sql": "select 1 as id" for name in ("orders", "events", "plain")}
    project = make_project({**files, "models/schema.yml": wrong})
    with pytest.raises(DbtMetaInvalid) as caught:
        read_nodes(parse(project).manifest)
    told = [
        (problem.where.file, problem.where.path, problem.hint) for problem in caught.value.problems if problem.where
    ]
    assert sorted(told) == [
        ("models/schema.yml", "events.meta.floe.landing", "did you mean 'watermark'?"),
        ("models/schema.yml", "events.meta.floe.landing.mode", "add `watermark:` with a column that only grows"),
        ("models/schema.yml", "orders.meta.floe.landing.mode", "did you mean 'upsert'?"),
    ]
    assert all(isinstance(problem, DbtMetaProblem) for problem in caught.value.problems)


@pytest.mark.parametrize(
    "stated",
    [
        {},
        {"mode": "replace"},
        {"mode": "append", "watermark": "at"},
        {"partition_by": "region"},
        {"partition_by": ["truncate[4](name)", "hour(at)", "year(day)"]},
    ],
)
def test_what_is_taken(stated: dict[str, Any]) -> None:
    assert problems_of(stated) == []


@pytest.mark.parametrize(
    ("stated", "changes", "message"),
    [
        ({"mode": 3}, {}, "mode is 3"),
        ({"mode": "append"}, {}, "append needs a watermark"),
        ({"mode": "append", "watermark": ["at"]}, {}, "not the name of a column"),
        ({"mode": "upsert", "watermark": "at"}, {}, "of no use without"),
        ({"watermark": "at"}, {}, "of no use without"),
        ({"mode": "upsert"}, {"config": {"unique_key": None}}, "upsert needs a unique_key"),
        ({"mode": "upsert"}, {"config": {"materialized": "table"}}, "and this is a table"),
        ({"partition_by": []}, {}, "not a list of partition fields"),
        ({"partition_by": [1]}, {}, "not a list of partition fields"),
        ({"partition_by": ["week(at)"]}, {}, "no transform of Iceberg's"),
        ({"partition_by": ["bucket(16, id)"]}, {}, "no transform of Iceberg's"),
        ({"partitionBy": ["day(at)"]}, {}, "'partitionBy' is no key"),
        ({"mode": "replace"}, {"resource_type": "source"}, "a source does not land"),
    ],
)
def test_what_is_refused(stated: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    (problem,) = problems_of(stated, **changes)
    assert message in problem.message


def test_columns_are_looked_for_where_a_contract_names_all_of_them() -> None:
    stated = {"mode": "append", "watermark": "happend_at", "partition_by": ["day(HAPPENED_AT)", "regon"]}
    columns = {name: {"name": name} for name in ("happened_at", "region")}
    assert problems_of(stated, columns=columns) == []
    enforced = {"contract": {"enforced": True}}
    assert [problem.hint for problem in problems_of(stated, columns=columns, config=enforced)] == [
        "did you mean 'happened_at'?",
        "did you mean 'region'?",
    ]
