"""Small products for the fault tests: two seeds, a few tables, and a model that takes a while."""

from __future__ import annotations

from pathlib import Path
from typing import Final

SLOW_MODEL: Final = "slow"
QUICK: Final = "quick"
SLOW: Final = "slow"
"""Products that tests share which only run them."""
SLOW_ROWS: Final = 5_000
"""About a second and a half of one core: time enough to kill what works on it."""

_FLOE_YAML: Final = """\
apiVersion: floe.dev/v1
kind: FloeSpec
metadata: {{name: {name}, version: 1.0.0, description: "{description}", owner: faults@example.com}}
transforms:
  - {{type: dbt, path: dbt}}
landing: {{select: [table, seed]}}
orchestration: {{retries: {{maxAttempts: 3, delaySeconds: 0}}}}
"""
_PLATFORM_YAML: Final = """\
apiVersion: floe.dev/v1
kind: PlatformSpec
metadata: {name: faults, version: 1.0.0, owner: faults@example.com}
environments:
  dev:
    profiles:
      default: {compute: duckdb, storage: local, catalog: local}
compute:
  duckdb: {type: duckdb, threads: 1}
storage:
  local: {type: local}
catalogs:
  local: {type: sql}
"""
_DBT_PROJECT: Final = """\
name: faults
version: 1.0.0
profile: floe
flags: {send_anonymous_usage_stats: false, use_colors: false}
models:
  faults:
    +materialized: table
"""
_SCHEMA: Final = """\
version: 2
models:
  - name: totals
    config: {meta: {floe: {owner: faults@example.com, tier: gold, expose: true}}}
    columns:
      - name: country
        data_tests: [unique, not_null]
"""
_MODELS: Final = {
    "sales": "select order_id, country, amount from {{ ref('orders') }} join {{ ref('countries') }} using (country)",
    "totals": "select country, sum(amount) as amount, max(work) as work "
    "from {{ ref('sales') }} cross join {{ ref('slow') }} group by country",
}
_SLOW_SQL: Final = "select sum(hash(a.range * 31 + b.range) % 7) as work from range({rows}) a, range(20000) b\n"
TABLES: Final = frozenset({"orders", "countries", "sales", "slow", "totals"})
"""What a run of the product lands."""


def write_product(folder: Path, name: str, *, slow_rows: int = 1, description: str = "") -> Path:
    """Write a product's folder anew.

    Args:
        folder: made if it does not exist.
        name: of the product.
        slow_rows: work of the slow model.
        description: stands in floe.yaml; products that differ in it have different artifacts.
    """
    dbt = folder / "dbt"
    files = {
        folder / "floe.yaml": _FLOE_YAML.format(name=name, description=description),
        folder / "platform.yaml": _PLATFORM_YAML,
        dbt / "dbt_project.yml": _DBT_PROJECT,
        dbt / "seeds" / "countries.csv": "country\nDE\nFR\nIT\n",
        dbt / "seeds" / "orders.csv": "order_id,country,amount\n1,DE,10\n2,FR,20\n3,IT,30\n4,DE,40\n",
        dbt / "models" / "schema.yml": _SCHEMA,
        dbt / "models" / f"{SLOW_MODEL}.sql": _SLOW_SQL.format(rows=slow_rows),
        **{dbt / "models" / f"{model}.sql": sql + "\n" for model, sql in _MODELS.items()},
    }
    for file, content in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return folder


def write_tiny_product(folder: Path, name: str) -> Path:
    """Write a product of one model that lands nothing: what its runs cost is what a run costs."""
    write_product(folder, name)
    spec = folder / "floe.yaml"
    spec.write_text(spec.read_text().replace("[table, seed]", "[incremental]"))
    for path in (folder / "dbt" / "seeds").iterdir():
        path.unlink()
    for path in (folder / "dbt" / "models").iterdir():
        path.unlink()
    (folder / "dbt" / "models" / "one.sql").write_text("select 1 as one\n")
    return folder
