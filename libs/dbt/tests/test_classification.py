"""`meta.floe`: what is taken, and what is refused."""

from __future__ import annotations

import pytest

from floe_contracts.nodes import CLASSIFICATIONS, Classification
from floe_dbt.classification import ColumnMeta, MetaReader, NodeMeta
from floe_dbt.errors import DbtMetaInvalid
from floe_dbt.nodes import read_nodes

WRONG = """
models:
  - name: orders
    config: {meta: {floe: {expose: "yes", ownr: sales}}}
    columns:
      - {name: id, config: {meta: {floe: {classificaton: pii}}}}
      - {name: customer, config: {meta: {floe: {classification: pi}}}}
      - {name: amount, config: {meta: {floe: {classification: financial, sensitivity: hihg}}}}
      - {name: note, config: {meta: {floe: {sensitivity: high}}}}
      - {name: owner, config: {meta: {floe: {row_owner: 1}}}}
      - {name: other, config: {meta: {floe: pii, elsewhere: {what: ever}}}}
"""


def read(floe: object, *, place: str = "meta") -> tuple[ColumnMeta, list[str]]:
    reader = MetaReader("orders", "models/schema.yml")
    holder = {"meta": {"floe": floe}}
    column = {"name": "id", **(holder if place == "meta" else {"config": holder, "meta": {}})}
    return reader.of_column(column), [problem.message for problem in reader.problems]


@pytest.mark.parametrize("place", ["meta", "config.meta"])
@pytest.mark.parametrize("name", CLASSIFICATIONS)
def test_classifications_from_both_places(place, name):
    meta, problems = read({"classification": name}, place=place)
    assert meta == ColumnMeta(Classification(classification=name, sensitivity="medium"))
    assert problems == []


def test_classifications_that_a_platform_declares():
    column = {"name": "id", "meta": {"floe": {"classification": "payroll"}}}
    reader = MetaReader("orders", "models/schema.yml", classifications=(*CLASSIFICATIONS, "payroll"))
    assert reader.of_column(column).classification == Classification(classification="payroll")
    assert reader.problems == []
    reader = MetaReader("orders", "models/schema.yml", classifications=(*CLASSIFICATIONS, "payrolls"))
    assert reader.of_column(column).classification is None
    assert reader.problems[0].hint == "did you mean 'payrolls'?"


def test_two_places_that_agree_and_two_that_do_not():
    reader = MetaReader("orders", "models/schema.yml")
    pii, public = {"floe": {"classification": "pii"}}, {"floe": {"classification": "public"}}
    assert reader.of_column({"name": "id", "meta": pii, "config": {"meta": pii}}).classification.classification == "pii"
    assert reader.problems == []
    reader.of_column({"name": "id", "meta": pii, "config": {"meta": public}})
    assert "classification is 'public' in config.meta, 'pii' in meta" in reader.problems[0].message


def test_meta_of_others_is_left_alone():
    reader = MetaReader("orders", "models/schema.yml")
    assert reader.of_node({"meta": {"team": {"owner": 1}}, "config": {}}) == NodeMeta()
    assert reader.of_column({"name": "id", "meta": {"pii": True}}) == ColumnMeta()
    assert reader.problems == []


@pytest.mark.dbt
def test_all_problems_at_once_with_model_column_file_and_hint(parse, make_project):
    project = make_project({"models/orders.sql": "select 1 as id", "models/sales/schema.yml": WRONG})
    with pytest.raises(DbtMetaInvalid) as refused:
        read_nodes(parse(project).manifest)
    assert refused.value.code == "FLOE-DBT-020"
    problems = refused.value.problems
    assert {problem.code for problem in problems} == {"FLOE-DBT-021"}
    assert {problem.where.file for problem in problems} == {"models/sales/schema.yml"}
    assert problems[0].where.path == "orders.meta.floe.expose"
    assert [(problem.message, problem.hint) for problem in problems] == [
        ("orders: expose is 'yes', not true or false", None),
        ("orders: 'ownr' is no key of meta.floe here", "did you mean 'owner'?"),
        (
            "orders.columns.amount: sensitivity is 'hihg', not one of low, medium, high",
            "did you mean 'high'?",
        ),
        (
            f"orders.columns.customer: classification is 'pi', not one of {', '.join(CLASSIFICATIONS)}",
            "did you mean 'pii'?",
        ),
        ("orders.columns.id: 'classificaton' is no key of meta.floe here", "did you mean 'classification'?"),
        ("orders.columns.note: sensitivity without a classification", "add `classification:`"),
        ("orders.columns.other: meta.floe is 'pii', not a mapping", None),
        ("orders.columns.owner: row_owner is 1, not true or false", None),
    ]
