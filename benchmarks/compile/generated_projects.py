"""Generated products of any size: layers, documentation, tests, classifications; the same for the same number."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

_DOCUMENTED_TOGETHER: Final = 20
_PARENTS_AMONG: Final = 40

_FLOE_YAML: Final = """\
apiVersion: floe.dev/v1
kind: FloeSpec
metadata: {{name: {name}, version: 1.0.0, owner: bench@example.com}}
transforms: [{{type: dbt, path: dbt}}]
"""
_ENVIRONMENT: Final = "  {name}: {{profiles: {{default: {{compute: small, storage: local, catalog: local}}}}}}\n"
_PLATFORM_YAML: Final = """\
apiVersion: floe.dev/v1
kind: PlatformSpec
metadata: {{name: local, version: 1.0.0, owner: platform@example.com}}
environments:
{environments}compute:
  small: {{type: duckdb, threads: 2}}
storage: {{local: {{type: local}}}}
catalogs: {{local: {{type: sql}}}}
"""
_DBT_PROJECT: Final = """\
name: generated
version: '1.0'
profile: floe
flags: {send_anonymous_usage_stats: false, use_colors: false}
models:
  generated:
    staging: {+materialized: view, +tags: [staging]}
    intermediate: {+materialized: view}
    marts: {+materialized: table}
"""
_PROFILES: Final = "floe: {target: dev, outputs: {dev: {type: duckdb, path: ':memory:', threads: 2}}}\n"
_MACROS: Final = "{% macro tidy(column) %}trim({{ column }}){% endmacro %}\n"


def write_product(folder: Path, name: str, models: int, environments: int = 1) -> Path:
    """Write a product of so many models, for so many environments; its dbt project is `dbt/` in it."""
    dbt = folder / "dbt"
    names = ["dev", *(f"stage{number}" for number in range(1, environments))]
    platform = "".join(_ENVIRONMENT.format(name=one) for one in names)
    _write(folder / "floe.yaml", _FLOE_YAML.format(name=name))
    _write(folder / "platform.yaml", _PLATFORM_YAML.format(environments=platform))
    _write(dbt / "dbt_project.yml", _DBT_PROJECT)
    _write(dbt / "profiles.yml", _PROFILES)
    _write(dbt / "macros" / "tidy.sql", _MACROS)
    tables = "".join(f"      - {{name: raw_{number:04d}}}\n" for number in range(_layer_ends(models)[0]))
    _write(dbt / "models" / "staging" / "sources.yml", f"sources:\n  - name: raw\n    tables:\n{tables}")
    chosen = random.Random(models)  # noqa: S311 -- the same project each time
    for number in range(models):
        _write(model_path(folder, models, number), _sql(number, models, chosen))
    for first in range(0, models, _DOCUMENTED_TOGETHER):
        last = min(models, first + _DOCUMENTED_TOGETHER)
        documented = "".join(_documentation(number, models) for number in range(first, last))
        _write(dbt / "models" / f"models_{first:04d}.yml", f"models:\n{documented}")
    return folder


def model_path(folder: Path, models: int, number: int) -> Path:
    """The file of one model of a product."""
    return folder / "dbt" / "models" / _layer(number, models) / f"{_name(number, models)}.sql"


def change_one_model(folder: Path, models: int, turn: int) -> None:
    """Change the SQL of a model in the middle, another way each turn."""
    path = model_path(folder, models, models // 2)
    first_line = path.read_text().split("\n", 1)[0]
    path.write_text(f"{first_line}\n-- changed {turn} times\n")


def _layer_ends(models: int) -> tuple[int, int]:
    """Where staging and the intermediate layer end: a tenth, then six tenths of all models."""
    return max(3, models // 10), max(4, models * 6 // 10)


def _layer(number: int, models: int) -> str:
    staging, intermediate = _layer_ends(models)
    return "staging" if number < staging else "intermediate" if number < intermediate else "marts"


def _name(number: int, models: int) -> str:
    return f"{ {'staging': 'stg', 'intermediate': 'int', 'marts': 'fct'}[_layer(number, models)] }_{number:04d}"


def _sql(number: int, models: int, chosen: random.Random) -> str:
    if _layer(number, models) == "staging":
        return f"select id, {{{{ tidy('name') }}}} as name, amount from {{{{ source('raw', 'raw_{number:04d}') }}}}\n"  # noqa: S608
    one, other = (
        f"{{{{ ref('{_name(parent, models)}') }}}}"
        for parent in chosen.sample(range(max(0, number - _PARENTS_AMONG), number), 2)
    )
    return (
        f"select one.id, other.name, one.amount + other.amount as amount from {one} one join {other} other using (id)\n"  # noqa: S608
    )


def _documentation(number: int, models: int) -> str:
    unique = ", unique" if _layer(number, models) == "staging" else ""
    return f"""\
  - name: {_name(number, models)}
    description: Model {number} of {models}, {_layer(number, models)}; joined by id, one row each.
    columns:
      - {{name: id, description: Identifies the row., data_tests: [not_null{unique}]}}
      - {{name: name, description: What it is called., config: {{meta: {{floe: {{classification: internal}}}}}}}}
      - {{name: amount, description: In cents.}}
"""


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
