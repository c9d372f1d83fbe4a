"""Nodes of a real project."""

from __future__ import annotations

import pytest

from floe_contracts.digests import canonical_json
from floe_contracts.nodes import Classification, NodeGraph
from floe_dbt.errors import DbtMetaInvalid
from floe_dbt.nodes import MOST_NESTED, read_nodes

pytestmark = pytest.mark.dbt

SHOP = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: floe\n"
    "models: {shop: {+materialized: table, +meta: {floe: {owner: sales}}}}\n",
    "seeds/raw_orders.csv": "id,customer\n1,ann\n",
    "seeds/schema.yml": "seeds: [{name: raw_orders, columns: [{name: id, data_tests: [unique, not_null]}]}]",
    "models/orders.sql": "{{ config(materialized='incremental', unique_key=['id', 'day'], tags=['b', 'a']) }}"
    "select id, customer, 1 as day from {{ ref('raw_orders') }}",
    "models/customers.sql": "{{ config(alias='people') }} select customer from {{ ref('orders') }}",
    "snapshots/kept.sql": "{% snapshot kept %}{{ config(unique_key='id', strategy='check', check_cols='all') }}"
    "select * from {{ ref('raw_orders') }}{% endsnapshot %}",
    "tests/few.sql": "select 1 from {{ ref('orders') }} join {{ ref('customers') }} using (customer) where false",
    "tests/one.sql": "select 1 from {{ ref('orders') }} where false",
    "models/schema.yml": """
models:
  - name: orders
    description: What was ordered.
    config: {meta: {floe: {expose: true, tier: gold, owner: orders-team}}}
    constraints: [{type: primary_key, columns: [id]}]
    columns:
      - {name: id, data_type: bigint, description: The number.}
      - name: customer
        config: {meta: {floe: {classification: pii, pii_type: name, sensitivity: high}}}
        data_tests:
          - relationships: {arguments: {to: ref('customers'), field: customer}}
      - {name: day, meta: {floe: {row_owner: true}}}
  - name: customers
    config: {meta: {sla: {hours: 6}}}
sources:
  - name: shop
    schema: outside
    tables:
      - name: visits
        identifier: visits_v2
        meta: {team: crm}
        columns: [{name: ip, meta: {floe: {classification: identifier}}, data_tests: [not_null]}]
exposures:
  - {name: board, label: The board, type: dashboard, owner: {email: a@shop.example}, depends_on: [ref('orders')]}
unit_tests:
  - name: counts
    model: customers
    given: [{input: ref('orders'), rows: [{customer: ann}]}]
    expect: {rows: [{customer: ann}]}
""",
}


@pytest.fixture(scope="module")
def graph(parse, make_module_project) -> NodeGraph:
    return read_nodes(parse(make_module_project(SHOP)).manifest)


def test_nodes_of_all_kinds(graph):
    assert graph.project == "shop"
    assert [node.unique_id for node in graph.nodes] == [
        "model.shop.customers",
        "model.shop.orders",
        "seed.shop.raw_orders",
        "snapshot.shop.kept",
        "source.shop.shop.visits",
    ]
    orders = graph.node("model.shop.orders")
    assert (orders.materialized, orders.database, orders.schema_name, orders.identifier) == (
        "incremental",
        "shop",
        "main",
        "orders",
    )
    assert (orders.owner, orders.tier, orders.expose) == ("orders-team", "gold", True)
    assert (orders.tags, orders.unique_key, orders.primary_key) == (("a", "b"), ("id", "day"), ("id",))
    assert (orders.path, orders.depends_on) == ("models/orders.sql", ("seed.shop.raw_orders",))
    assert orders.patch_path == "models/schema.yml"
    customers = graph.node("model.shop.customers")
    assert (customers.identifier, customers.owner, customers.expose) == ("people", "sales", False)
    visits = graph.node("source.shop.shop.visits")
    assert (visits.identifier, visits.schema_name, visits.materialized) == ("visits_v2", "outside", "source")
    assert graph.node("seed.shop.raw_orders").primary_key == ("id",)


def test_meta_of_both_places(graph):
    assert graph.node("model.shop.orders").meta["floe"]["owner"] == "orders-team"
    assert graph.node("model.shop.customers").meta == {"floe": {"owner": "sales"}, "sla": {"hours": 6}}
    assert graph.node("source.shop.shop.visits").meta == {"team": "crm"}
    assert graph.node("model.shop.customers").patch_path == "models/schema.yml"
    assert (graph.node("seed.shop.raw_orders").meta, graph.node("snapshot.shop.kept").patch_path) == ({}, None)


def test_columns_with_their_classification(graph):
    customer, day, number = graph.node("model.shop.orders").columns
    assert customer.classification == Classification(classification="pii", pii_type="name", sensitivity="high")
    assert (day.row_owner, day.classification) == (True, None)
    assert (number.name, number.data_type, number.description) == ("id", "bigint", "The number.")
    (ip,) = graph.node("source.shop.shop.visits").columns
    assert ip.classification == Classification(classification="identifier", sensitivity="medium")


def test_checks_and_what_they_belong_to(graph):
    of_orders = {check.name: check for check in graph.node("model.shop.orders").checks}
    assert of_orders.keys() == {"relationships", "one"}
    relationships = of_orders["relationships"]
    assert (relationships.column, relationships.to_node, relationships.to_column) == (
        "customer",
        "model.shop.customers",
        "customer",
    )
    assert [check.name for check in graph.checks] == ["few"]
    assert graph.checks[0].path == "tests/few.sql"
    assert relationships.path == "models/schema.yml"
    of_customers = {check.unique_id for check in graph.node("model.shop.customers").checks}
    assert "unit_test.shop.customers.counts" in of_customers
    (of_source,) = graph.node("source.shop.shop.visits").checks
    assert of_source.unique_id.split(".")[2] == "source_not_null_shop_visits_ip"


def test_exposures(graph):
    (board,) = graph.exposures
    assert (board.name, board.type, board.label, board.owner) == ("board", "dashboard", "The board", "a@shop.example")
    assert board.depends_on == ("model.shop.orders",)


def test_graph_can_be_stored(graph):
    stored = canonical_json(graph.model_dump(mode="json", exclude_none=True))
    assert NodeGraph.model_validate_json(stored) == graph


def test_meta_that_is_nested_too_deep_is_refused_with_its_file(parse, make_project):
    deep = "[" * (MOST_NESTED + 1) + "]" * (MOST_NESTED + 1)
    schema = (
        f"models: [{{name: one, config: {{meta: {{a: {deep}}}}}}}, {{name: two, config: {{meta: {{a: [[1]]}}}}}}]\n"
    )
    project = make_project({"models/one.sql": "select 1", "models/two.sql": "select 1", "models/schema.yml": schema})
    with pytest.raises(DbtMetaInvalid) as refused:
        read_nodes(parse(project).manifest)
    (problem,) = refused.value.problems
    assert (problem.where.file, problem.message[:4]) == ("models/schema.yml", "one:")
