"""The products whose lineage is sent, as files, and what OpenLineage calls their parts."""

from __future__ import annotations

from typing import Any, Final

import yaml

JOBS: Final = "floe://default/dev"
"""The namespace of all jobs."""
ICEBERG: Final = "iceberg://default/dev"
"""The namespace of all landed tables."""

_PROJECT: Final = """
name: {name}
version: '1.0'
profile: floe
models: {{+materialized: table, {name}: {{staging: {{+materialized: view}}}}}}
"""
_STAGING: Final = """
select id, customer, email, cast(amount as decimal(10, 2)) as amount from {{ ref('raw_orders') }}
"""
_CUSTOMERS: Final = """
with orders as (select * from {{ ref('stg_orders') }})
select customer as name, lower(min(email)) as contact, sum(amount) as revenue from orders group by customer
"""
_DESCRIBED: Final = """
models:
  - name: stg_orders
    columns:
      - {name: email, config: {meta: {floe: {classification: pii, pii_type: email}}}}
  - name: customers
    description: One row per customer.
    columns:
      - {name: name, data_tests: [not_null, unique]}
exposures:
  - {name: board, type: dashboard, owner: {email: ann@example.com}, depends_on: [ref('customers')]}
"""


def shop(name: str) -> dict[str, str]:
    """A product that builds: a seed, a view with a classified column, a table with two tests that a dashboard shows."""
    return _product(name) | {
        "dbt/seeds/raw_orders.csv": "id,customer,email,amount\n1,ann,Ann@example.com,3.50\n2,bob,bob@example.com,4\n",
        "dbt/models/staging/stg_orders.sql": _STAGING,
        "dbt/models/customers.sql": _CUSTOMERS,
        "dbt/models/models.yml": _DESCRIBED,
    }


def broken(name: str) -> dict[str, str]:
    """A product whose only model fails."""
    return _product(name) | {"dbt/models/customers.sql": "select nothing from nowhere\n"}


def platform() -> dict[str, Any]:
    """A platform on this machine."""
    return {
        "apiVersion": "floe.dev/v1",
        "kind": "PlatformSpec",
        "metadata": {"name": "lake", "version": "1.0.0", "owner": "platform@example.com"},
        "environments": {
            "dev": {
                "refs": ["*"],
                "profiles": {"default": {"compute": "duckdb", "storage": "local", "catalog": "local"}},
            }
        },
        "compute": {"duckdb": {"type": "duckdb", "threads": 2}},
        "storage": {"local": {"type": "local"}},
        "catalogs": {"local": {"type": "sql"}},
    }


def warehouse(name: str) -> str:
    """The namespace of the relations of a product."""
    return f"duckdb://default.dev.{name}"


def _product(name: str) -> dict[str, str]:
    document = {
        "apiVersion": "floe.dev/v1",
        "kind": "FloeSpec",
        "metadata": {"name": name, "version": "1.0.0", "description": "A shop.", "owner": "shop@example.com"},
        **dict.fromkeys(("compute", "storage", "catalog"), "default"),
        "transforms": [{"type": "dbt", "path": "dbt"}],
    }
    return {
        "floe.yaml": yaml.safe_dump(document, sort_keys=False),
        "platform.yaml": yaml.safe_dump(platform(), sort_keys=False),
        "dbt/dbt_project.yml": _PROJECT.format(name=name),
    }
