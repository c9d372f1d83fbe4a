"""floe's own way to parse gives what `dbt parse` and a reading of its manifest.json give, only sooner."""

from __future__ import annotations

import gc
import json
import os
import threading
from pathlib import Path

import pytest

from floe_contracts.digests import canonical_json
from floe_dbt.environment import dbt_environment
from floe_dbt.garbage import collecting_seldom
from floe_dbt.manifest import normalise_manifest
from floe_dbt.parse import parse_project
from floe_dbt.warm_dbt import WarmDbt

EVERYTHING = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: floe\nflags: {write_json: false}\n",
    "seeds/raw_orders.csv": "id,customer,amount\n1,ann,1.5\n",
    "models/orders.sql": "select *, {{ one() }} as one from {{ ref('raw_orders') }} join {{ source('raw', 'x') }}",
    "models/totals.sql": "select count(*) as orders from {{ ref('orders') }} {# \u00e9\u2028\U0001f40b\x7f #}",
    "models/off.sql": "{{ config(enabled=false) }} select 1 as id",
    "models/doc.md": "{% docs order_id %}The id of an order.{% enddocs %}",
    "macros/one.sql": "{% macro one() %}1{% endmacro %}",
    "tests/few.sql": "select * from {{ ref('orders') }} where id > 10",
    "snapshots/kept.sql": "{% snapshot kept %}{{ config(unique_key='id', strategy='check', check_cols='all') }}"
    "select * from {{ ref('orders') }}{% endsnapshot %}",
    "analyses/look.sql": "select * from {{ ref('orders') }}",
    "selectors.yml": "selectors: [{name: mine, definition: {method: tag, value: x}}]",
    "models/schema.yml": """
groups: [{name: sales, owner: {name: sales}}]
sources: [{name: raw, tables: [{name: x, freshness: {warn_after: {count: 1, period: day}}, loaded_at_field: at}]}]
models:
  - name: orders
    description: "{{ doc('order_id') }}"
    config:
      group: sales
      meta:
        {floe: {owner: sales}, revision: 9007199254740993, share: 0.1, whole: 2.0, none: .nan, tiny: 1.0e-9,
         day: 2024-01-31, at: 2024-01-31 10:00:00, deep: {7: seven, true: yes}, "\u00e9": 1, large: 1.0e+300}
    columns:
      - {name: id, data_tests: [not_null, unique, relationships: {arguments: {to: ref('raw_orders'), field: id}}]}
  - name: totals
    config: {materialized: table, contract: {enforced: true}}
    columns: [{name: orders, data_type: bigint}]
unit_tests:
  - name: counts
    model: totals
    given: [{input: ref('orders'), rows: [{id: 1, amount: 10.0}]}]
    expect: {rows: [{orders: 1}]}
exposures:
  - {name: board, type: dashboard, owner: {name: sales}, depends_on: [ref('orders')]}
semantic_models:
  - name: orders
    model: ref('orders')
    defaults: {agg_time_dimension: ordered_on}
    entities: [{name: order, type: primary, expr: id}]
    dimensions: [{name: ordered_on, type: time, expr: "current_date", type_params: {time_granularity: day}}]
    measures: [{name: number_of_orders, agg: count, expr: id}]
metrics:
  - {name: all_orders, label: all orders, type: simple, type_params: {measure: number_of_orders}}
""",
    "models/spine.sql": "select current_date as day\n",
    "models/spine.yml": """
models: [{name: spine, time_spine: {standard_granularity_column: day}, columns: [{name: day, granularity: day}]}]
""",
}
"""A project with every kind of resource, and values in its meta that are no JSON, or are written in several ways."""


@pytest.mark.dbt
def test_same_bytes_as_from_the_manifest_that_dbt_writes(dbt, parse, make_project, tmp_path):
    project = make_project(EVERYTHING)
    target = tmp_path / "target"
    arguments = ["parse", "--write-json", "--target-path", str(target), "--profile", "floe", "--target", "dev"]
    with (tmp_path / "log").open("w+b") as output:
        environment = dbt_environment(os.environ, profiles_dir=project.profiles)
        ended = dbt.invoke(arguments, cwd=project.sources, environment=environment, output=output)
        output.seek(0)
        assert ended.returncode == 0, output.read().decode()
    written = json.loads((target / "manifest.json").read_bytes())
    expected = canonical_json(normalise_manifest(written))
    whole = parse(project)
    assert whole.content == expected
    assert parse(project).content == expected, "nothing to parse"
    for path, text in {"models/added.sql": "select 1 as id", "models/added.yml": "models: [{name: added}]"}.items():
        Path(project.sources, path).write_text(text)
    assert parse(project).content != expected
    for path in ("models/added.sql", "models/added.yml"):
        Path(project.sources, path).unlink()
    assert parse(project).content == expected, "a model came and went"
    for path in ("models/schema.yml", "models/orders.sql", "macros/one.sql"):
        file = Path(project.sources, path)
        file.write_text(file.read_text() + "\n")
        parse(project)
        file.write_text(EVERYTHING[path])
        assert parse(project).content == expected, path
    meta = whole.manifest["nodes"]["model.shop.orders"]["config"]["meta"]
    assert meta["day"] == "2024-01-31"
    assert (meta["whole"], meta["tiny"], meta["none"], meta["deep"]["7"]) == (2, 1e-9, "nan", "seven")
    kinds = ("nodes", "sources", "macros", "docs", "exposures", "metrics", "groups", "selectors", "disabled")
    assert all(whole.manifest[kind] for kind in (*kinds, "semantic_models", "unit_tests"))


@pytest.mark.dbt
def test_same_bytes_without_a_fork_server(parse, make_project):
    project = make_project(EVERYTHING)
    alone = parse_project(
        WarmDbt(project.folder / "plain", plain=True),
        project.sources,
        environment="dev",
        profiles_dir=project.profiles,
        state_dir=project.folder / "another state",
        source=os.environ,
    )
    assert alone.content == parse(project).content


def test_thresholds_are_set_back_by_the_last_one():
    before = gc.get_threshold()
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with collecting_seldom():
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=other)
    with collecting_seldom():
        assert gc.get_threshold() > before
        thread.start()
        assert inside.wait(60)
    assert gc.get_threshold() > before
    leave.set()
    thread.join()
    assert gc.get_threshold() == before
