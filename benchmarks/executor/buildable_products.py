"""Products of any size that build on DuckDB: tables on tables, and tests; the same for the same number."""

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
consumption: {{cube: {{enabled: false}}}}
"""
_PLATFORM_YAML: Final = """\
apiVersion: floe.dev/v1
kind: PlatformSpec
metadata: {name: bench, version: 1.0.0, owner: bench@example.com}
environments: {dev: {profiles: {default: {compute: small, storage: local, catalog: local}}}}
compute: {small: {type: duckdb, threads: 2}}
storage: {local: {type: local}}
catalogs: {local: {type: sql}}
"""
_DBT_PROJECT: Final = """\
name: bench
version: '1.0'
profile: floe
flags: {send_anonymous_usage_stats: false, use_colors: false}
models: {bench: {+materialized: table}}
"""
PROFILES: Final = (
    "floe: {{target: dev, outputs: {{dev: {{type: duckdb, path: '{path}', schema: main, threads: 2}}}}}}\n"
)


def write_product(folder: Path, nodes: int) -> Path:
    """Write the product `bench<nodes>`, whose build has so many nodes: as many models as tests, or one more."""
    models, tests = nodes - nodes // 2, nodes // 2
    dbt = folder / "dbt"
    _write(folder / "floe.yaml", _FLOE_YAML.format(name=f"bench{nodes}"))
    _write(folder / "platform.yaml", _PLATFORM_YAML)
    _write(dbt / "dbt_project.yml", _DBT_PROJECT)
    chosen = random.Random(nodes)  # noqa: S311 -- the same project each time
    for number in range(models):
        _write(dbt / "models" / f"m{number:04d}.sql", _sql(number, models, chosen))
    for first in range(0, models, _DOCUMENTED_TOGETHER):
        last = min(models, first + _DOCUMENTED_TOGETHER)
        documented = "".join(_documentation(number, tested=number < tests) for number in range(first, last))
        _write(dbt / "models" / f"s{first:04d}.yml", f"models:\n{documented}")
    return folder


def _sql(number: int, models: int, chosen: random.Random) -> str:
    if number < max(2, models // 10):
        return "select 1 as id, 'a' as name\n"
    one, other = chosen.sample(range(max(0, number - _PARENTS_AMONG), number), 2)
    parents = [f"{{{{ ref('m{parent:04d}') }}}}" for parent in (one, other)]
    return f"select a.id, b.name from {parents[0]} as a join {parents[1]} as b using (id)\n"  # noqa: S608


def _documentation(number: int, *, tested: bool) -> str:
    tests = ", data_tests: [not_null]" if tested else ""
    classified = "config: {meta: {floe: {classification: public}}}"
    return f"  - name: m{number:04d}\n    columns:\n      - {{name: id{tests}}}\n      - {{name: name, {classified}}}\n"


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
