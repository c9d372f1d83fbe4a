"""A small product with every kind of node, one of which is broken until somebody mends it."""

from __future__ import annotations

from typing import Final

BROKEN: Final = "select cast(customer as integer) as number from {{ ref('orders') }}"
MENDED: Final = "select length(customer) as number from {{ ref('orders') }}"
BROKEN_FILE: Final = "dbt/models/lengths.sql"

_FLOE: Final = """
apiVersion: floe.dev/v1
kind: FloeSpec
metadata: {name: shop, version: 1.0.0, description: A shop., owner: shop@example.com}
compute: default
storage: default
catalog: default
transforms:
  - {type: dbt, path: dbt}
  - type: python
    name: scores
    module: transforms.scores
    tier: silver
    dependsOn: [orders]
    qualityChecks: [{name: one_each, type: unique, column: id, severity: critical}]
landing: {select: [table, incremental, snapshot, seed]}
consumption: {cube: {enabled: false}}
governance: {rules: {documentation: {models: false, columns: false}}}
"""
_PLATFORM: Final = """
apiVersion: floe.dev/v1
kind: PlatformSpec
metadata: {name: local, version: 1.0.0, owner: platform@example.com}
environments: {dev: {refs: ["*"], profiles: {default: {compute: duckdb, storage: local, catalog: local}}}}
compute: {duckdb: {type: duckdb, threads: 2}}
storage: {local: {type: local}}
catalogs: {local: {type: sql}}
observability: {lineage: {away: {type: http, url: "%s"}}}
"""
_PROJECT: Final = "name: shop\nversion: 1.0.0\nprofile: floe\nmodels: {shop: {+materialized: table}}\n"
_DESCRIBED: Final = """
sources:
  - {name: python, schema: main, tables: [{name: scores}]}
models:
  - name: people
    description: Who buys.
    config: {meta: {owner: crm@example.com, domain: sales, floe: {tier: gold}}, tags: [daily]}
    columns:
      - {name: id, description: The customer., data_tests: [unique, not_null]}
      - {name: email, config: {meta: {floe: {classification: pii, pii_type: email, sensitivity: high}}}}
  - name: orders
    columns:
      - {name: customer, data_tests: [{accepted_values: {arguments: {values: [ann]}, config: {severity: warn}}}]}
  - name: lengths
    columns: [{name: number, data_tests: [not_null]}]
exposures:
  - {name: board, type: dashboard, owner: {name: ann, email: ann@example.com}, depends_on: [ref('contacts')]}
"""
_CONTACTS: Final = """
with named as (select * exclude (id), id as person from {{ ref('people') }}),
     both_sides as (
       select lower(email) as address, person from named union all select email, id from {{ ref('people') }}
     )
select address, count(*) as times from both_sides where person > 0 group by address
"""
_SNAPSHOT: Final = """
{% snapshot kept %}{{ config(unique_key='id', strategy='check', check_cols='all') }}
select * from {{ ref('orders') }}{% endsnapshot %}
"""
_SCORES: Final = """
import pyarrow as pa


def scores(orders: pa.Table) -> pa.Table:
    return orders.select(["id"])
"""
# Some minutes of work where it is asked for.
_SLOW: Final = "select sum(hash(a.range)) as n from range({{ var('rows', 10) }}) a"


def lineage_product(backend: str) -> dict[str, str]:
    """The files of the product; its lineage also goes to the backend at that address."""
    return {
        "floe.yaml": _FLOE,
        "platform.yaml": _PLATFORM % backend,
        "transforms/scores.py": _SCORES,
        "dbt/dbt_project.yml": _PROJECT,
        "dbt/seeds/raw_people.csv": "id,email\n1,Ann@example.com\n2,bob@example.com\n",
        "dbt/seeds/raw_orders.csv": "id,customer\n1,ann\n2,bob\n3,ann\n",
        "dbt/models/described.yml": _DESCRIBED,
        "dbt/models/people.sql": "{{ config(materialized='view') }} select * from {{ ref('raw_people') }}",
        "dbt/models/orders.sql": "{{ config(materialized='view') }} select * from {{ ref('raw_orders') }}",
        "dbt/models/contacts.sql": _CONTACTS,
        "dbt/models/grown.sql": "{{ config(materialized='incremental') }} select id, 1.5::decimal(9, 2) as price"
        " from {{ ref('orders') }}",
        "dbt/models/best.sql": "select * from {{ source('python', 'scores') }}",
        BROKEN_FILE: BROKEN,
        "dbt/models/after.sql": "select * from {{ ref('lengths') }}",
        "dbt/models/slow.sql": _SLOW,
        "dbt/snapshots/kept.sql": _SNAPSHOT,
        "dbt/tests/some_orders.sql": "select id from {{ ref('orders') }} where id > 3",
    }
