"""Keys of real projects, as constraints say them."""

from __future__ import annotations

import pytest

from floe_contracts.nodes import KeyConstraint
from floe_dbt.key_constraints import read_keys
from floe_dbt.nodes import read_nodes

PROJECT = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: floe\nmodels: {+materialized: table}\n",
    "models/orders.sql": "select 1 as id, 1 as customer, 1 as place",
    "models/customers.sql": "select 1 as id, 'a' as \"Name\"",
    "models/places.sql": "select 1 as id, 1 as part",
    "models/places_v2.sql": "select 1 as id, 1 as part",
    "models/schema.yml": """
models:
  - name: orders
    config: {contract: {enforced: true}}
    constraints:
      - {type: primary_key, columns: [id]}
      - {type: foreign_key, columns: [place, id], to: "ref('shop', 'places', v=2)", to_columns: [id, part]}
      - {type: foreign_key, columns: [id], expression: "main.visits (id)"}
      - {type: check, expression: id > 0}
    columns:
      - {name: id, data_type: integer}
      - name: customer
        data_type: integer
        constraints: [{type: foreign_key, to: ref('customers'), to_columns: [id]}, {type: not_null}]
        data_tests:
          - not_null
          - unique: {config: {where: id > 1}}
          - accepted_values: {arguments: {values: [1]}, config: {severity: warn}}
          - relationships: {arguments: {to: ref('customers'), field: id}, config: {error_if: ">10"}}
      - {name: place, data_type: integer}
  - name: customers
    columns:
      - {name: id, data_type: integer, constraints: [{type: primary_key}]}
      - {name: Name, quote: true}
  - {name: places, latest_version: 1, versions: [{v: 1, config: {alias: places}, defined_in: places}, {v: 2}]}
""",
}


@pytest.mark.dbt
def test_keys_of_a_model_and_of_its_columns(parse, make_project):
    graph = read_nodes(parse(make_project(PROJECT)).manifest)
    orders, customers = graph.node("model.shop.orders"), graph.node("model.shop.customers")
    assert orders.keys == (
        KeyConstraint(type="primary_key", columns=("id",)),
        KeyConstraint(
            type="foreign_key", columns=("place", "id"), to_node="model.shop.places.v2", to_columns=("id", "part")
        ),
        KeyConstraint(type="foreign_key", columns=("id",)),
        KeyConstraint(type="foreign_key", columns=("customer",), to_node="model.shop.customers", to_columns=("id",)),
    )
    assert customers.keys == (KeyConstraint(type="primary_key", columns=("id",)),)
    assert {check.name: check.partial for check in orders.checks} == {
        "not_null": False,
        "unique": True,
        "accepted_values": True,
        "relationships": True,
    }
    assert [(column.name, column.quoted) for column in customers.columns] == [("Name", True), ("id", False)]
    assert customers.relation_name == '"shop"."main"."customers"'


@pytest.mark.parametrize(
    ("to", "node"),
    [
        ('"db"."main"."customers"', "model.shop.customers"),
        ("source('crm', 'visits')", "source.shop.crm.visits"),
        ("source('crm', 'calls')", None),
        ("ref('customers')", "model.shop.customers"),
        ("ref('customers', version='3')", None),
        ("ref('elsewhere', 'customers')", None),
        ("somewhere", None),
        ("ref()", None),
    ],
)
def test_the_other_side_of_a_foreign_key(to, node):
    resource = {
        "constraints": [{"type": "foreign_key", "columns": ["a"], "to": to, "to_columns": ["b"]}],
        "columns": {},
        "depends_on": {"nodes": ["model.shop.customers"]},
    }
    relations = {'"db"."main"."customers"': "model.shop.customers", "v": "source.shop.crm.visits"}
    assert [key.to_node for key in read_keys(resource, relations)] == [node]
