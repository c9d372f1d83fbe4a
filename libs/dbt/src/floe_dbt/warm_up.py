"""Makes a process ready to fork dbt: everything imported, the parser used once, one native thread.

Most of what a fresh dbt spends goes into imports, and then into code that dbt's dataclass library generates at first
use. Both are inherited by forked children. Importing this module imports dbt; only the fork server does.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import tempfile
from pathlib import Path
from typing import Final

import duckdb
from dbt.cli.main import dbtRunner
from dbt_common.tests import enable_test_caching

_MODULES: Final = (
    "agate",
    "babel.dates",
    "daff",
    "dbt.adapters.duckdb",
    "dbt.adapters.duckdb.environments.local",
    "dbt.graph.thread_pool",
    "dbt.parser.sql",
    "dbt.runners",
    "dbt.task.build",
    "dbt.task.compile",
    "dbt_common.clients.agate_helper",
    "floe_dbt.duckdb_sandbox",
    "multiprocessing.dummy",
    "sqlparse",
)
"""What `dbt build` imports late: worth 0.15 s of CPU for every child."""

_ADAPTERS: Final = ("dbt.adapters.postgres",)
"""Adapters beside DuckDB's that are imported too where they are installed: those that cost less than a megabyte of
memory and start no thread. A child imports any other one itself."""

_PROJECT: Final = {
    "dbt_project.yml": "name: warm\nversion: '1.0'\nprofile: warm\n",
    "profiles.yml": "warm: {target: warm, outputs: {warm: {type: duckdb, path: ':memory:'}}}\n",
    "seeds/numbers.csv": "id\n1\n",
    "models/counted.sql": "{{ config(materialized='table') }} select id from {{ ref('numbers') }}\n",
    "snapshots/kept.sql": "{% snapshot kept %}{{ config(unique_key='id', strategy='check', check_cols='all') }}"
    "select * from {{ ref('counted') }}{% endsnapshot %}\n",
    "models/schema.yml": """
models:
  - name: counted
    columns: [{name: id, data_tests: [not_null], config: {meta: {floe: {classification: public}}}}]
sources:
  - {name: outside, tables: [{name: rows}]}
exposures:
  - {name: chart, type: dashboard, owner: {name: somebody}, depends_on: [ref('counted')]}
semantic_models:
  - name: counted
    model: ref('counted')
    defaults: {agg_time_dimension: counted_on}
    entities: [{name: counted, type: primary, expr: id}]
    dimensions: [{name: counted_on, type: time, expr: "current_date", type_params: {time_granularity: day}}]
    measures: [{name: rows_counted, agg: count, expr: id}]
metrics:
  - {name: all_rows, label: all rows, type: simple, type_params: {measure: rows_counted}}
saved_queries:
  - {name: asked, query_params: {metrics: [all_rows], group_by: ["TimeDimension('counted__counted_on', 'day')"]}}
""",
    "models/spine.sql": "select current_date as day\n",
    "models/spine.yml": """
models:
  - name: spine
    time_spine: {standard_granularity_column: day}
    columns: [{name: day, granularity: day}]
""",
}


class WarmUpFailed(RuntimeError):
    """This process cannot be forked safely, or dbt does not work in it."""


def warm_up() -> None:
    """Import dbt and its adapters, parse a small project, and leave the process safe to fork.

    Raises:
        WarmUpFailed: dbt cannot parse the small project, or native threads are left.
    """
    for module in (*_MODULES, *filter(_is_installed, _ADAPTERS)):
        importlib.import_module(module)
    # dbt's own tests keep syntax trees by their text. Here that is worth half of a small project's first parse: the 500
    # macros that come with dbt are then parsed in this process, once for all children.
    enable_test_caching()
    duckdb.default_connection().close()  # importing duckdb opens it, with a thread for each further core
    _parse_twice()
    threads = native_threads()
    if threads != 1:
        raise WarmUpFailed(f"{threads} native threads are running: forking is unsafe")
    gc.collect()
    gc.freeze()


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def native_threads() -> int:
    """The threads that the kernel knows of this process; Python's own list lacks those of DuckDB and dbt's parser."""
    return len(list(Path("/proc/self/task").iterdir()))


def _parse_twice() -> None:
    """Parse in full and then partially; both ways are warm afterwards.

    In full without dbt's static parser, which is native code and leaves threads behind.
    """
    with tempfile.TemporaryDirectory(prefix="floe-warm-") as folder:
        for name, text in _PROJECT.items():
            path = Path(folder, name)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        for static in ("--no-static-parser", "--static-parser"):
            options = ["--quiet", "--log-level-file", "none", static]
            result = dbtRunner().invoke([*options, "parse", "--project-dir", folder, "--profiles-dir", folder])
            if not result.success:
                raise WarmUpFailed(f"dbt cannot parse the project that it is warmed up with: {result.exception}")
