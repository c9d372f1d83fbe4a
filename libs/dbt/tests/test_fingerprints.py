"""Fingerprints of real projects: each change moves the parts that it should, and no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_contracts.nodes import Fingerprints, NodeGraph
from floe_dbt.fingerprints import read_project_files
from floe_dbt.jinja_config import without_config
from floe_dbt.nodes import read_nodes

PROJECT = "name: shop\nversion: '1.0'\nprofile: floe\nmodels: {shop: {+materialized: table}}\n"
SCHEMA = """
models:
  - name: orders
    description: What was ordered.
    config: {contract: {enforced: true}}
    columns:
      - {name: id, data_type: integer, data_tests: [unique, {positive: {arguments: {above: 0}}}]}
sources: [{name: outside, tables: [{name: visits}]}]
"""
BIG = "id,name\n" + "1,somebody with a long name\n" * 45_000
SHOP = {
    "dbt_project.yml": PROJECT + "vars: {limit: 5, other: 1, shop: {scoped: 2}}\n",
    "seeds/raw.csv": "id\n1\n",
    "seeds/big.csv": BIG,
    "macros/money.sql": "{% macro cents(x) %}{{ times(x) }}{% endmacro %}\n"
    "{% macro times(x) %}{{ x }} * 100{% endmacro %}",
    "macros/tests.sql": "{% test positive(model, column_name, above) %}"
    "select 1 from {{ model }} where {{ column_name }} <= {{ above }}{% endtest %}",
    "macros/mine.sql": "{% materialization mine, default %}{{ return({'relations': []}) }}{% endmaterialization %}",
    "models/orders.sql": "{{ config(tags=['a']) }}\nselect id from {{ ref('raw') }}",
    "models/priced.sql": "select {{ cents('id') }} as price from {{ ref('orders') }}",
    "models/limited.sql": "select * from {{ ref('orders') }} limit {{ var('limit') }}",
    "models/scoped.sql": "select {{ var('scoped') }} as one",
    "models/special.sql": "{{ config(materialized='mine') }} select 1 as one",
    "models/schema.yml": SCHEMA,
    "tests/few.sql": "select 1 from {{ ref('orders') }} where false",
}
ALL = ("body", "config", "contract", "metadata")
Read = Callable[..., NodeGraph]


@pytest.fixture(scope="module")
def read(parse: Any, make_module_project: Any) -> Read:
    """The graph of the shop with some files changed; the same folder each time, so that dbt parses partially."""

    def graph(changes: Mapping[str, str | None] | None = None, name: str = "one") -> NodeGraph:
        files = {path: text for path, text in {**SHOP, **(changes or {})}.items() if text is not None}
        project = make_module_project(files, name=name)
        for path in project.sources.rglob("*.*"):
            if path.is_file() and path.relative_to(project.sources).as_posix() not in files:
                path.unlink()
        parsed = parse(project)
        return read_nodes(parsed.manifest, files=read_project_files(parsed.manifest, project.sources))

    return graph


@pytest.fixture(scope="module")
def before(read: Read) -> NodeGraph:
    return read()


def prints(graph: NodeGraph) -> dict[str, Fingerprints]:
    found = {node.name: node.fingerprints for node in graph.nodes if node.fingerprints is not None}
    assert len(found) == len(graph.nodes)
    return found


def moved(before: NodeGraph, after: NodeGraph) -> dict[str, list[str]]:
    """The parts that differ, by node."""
    one, other = prints(before), prints(after)
    return {
        name: parts
        for name in one
        if (parts := [part for part in ALL if getattr(one[name], part) != getattr(other[name], part)])
    }


@pytest.mark.dbt
def test_nothing_moves_in_another_folder_or_after_a_partial_parse(read: Read, before: NodeGraph) -> None:
    assert read(name="elsewhere") == before
    assert read() == before
    assert (before.node("model.shop.orders").contract_enforced, before.node("model.shop.priced").contract_enforced) == (  # type: ignore[union-attr]
        True,
        False,
    )


CHANGES: dict[str, tuple[dict[str, str], dict[str, list[str]]]] = {
    "code": ({"models/orders.sql": "{{ config(tags=['a']) }}\nselect 1 as id"}, {"orders": ["body"]}),
    "a tag in the code": (
        {"models/orders.sql": "{{ config(tags=['a', 'b']) }}\nselect id from {{ ref('raw') }}"},
        {"orders": ["metadata"]},
    ),
    "a materialisation in the code": (
        {"models/scoped.sql": "{{ config(materialized='view') }}select {{ var('scoped') }} as one"},
        {"scoped": ["config"]},
    ),
    "an alias": (
        {"models/scoped.sql": "{{ config(alias='other') }}select {{ var('scoped') }} as one"},
        {"scoped": ["config"]},
    ),
    "a hook": (
        {"models/scoped.sql": "{{ config(post_hook='select 1') }}select {{ var('scoped') }} as one"},
        {"scoped": ["config"]},
    ),
    "a folder's config": (
        {"dbt_project.yml": SHOP["dbt_project.yml"].replace("table", "view")},
        {name: ["config"] for name in ("orders", "priced", "limited", "scoped")},
    ),
    "documentation": (
        {"models/schema.yml": SCHEMA.replace("What was ordered.", "All orders.")},
        {"orders": ["metadata"]},
    ),
    "an enforced type": ({"models/schema.yml": SCHEMA.replace("integer", "bigint")}, {"orders": ["contract"]}),
    "a source elsewhere": (
        {"models/schema.yml": SCHEMA.replace("name: outside", "name: outside, schema: other")},
        {"visits": ["config"]},
    ),
    "a macro that a macro calls": (
        {"macros/money.sql": SHOP["macros/money.sql"].replace("100", "1000")},
        {"priced": ["body"]},
    ),
    "a materialisation of the project's own": (
        {"macros/mine.sql": SHOP["macros/mine.sql"].replace("{{ return", "{% set x = 1 %}{{ return")},
        {"special": ["body"]},
    ),
    "a variable": (
        {"dbt_project.yml": SHOP["dbt_project.yml"].replace("limit: 5", "limit: 6").replace("other: 1", "other: 9")},
        {"limited": ["body"]},
    ),
    "a variable of the package": (
        {"dbt_project.yml": SHOP["dbt_project.yml"].replace("scoped: 2", "scoped: 3")},
        {"scoped": ["body"]},
    ),
    "a seed": ({"seeds/raw.csv": "id\n2\n"}, {"raw": ["body"]}),
    "a seed over one MiB": ({"seeds/big.csv": BIG.replace("somebody", "nobody", 1)}, {"big": ["body"]}),
    "a test": ({"models/schema.yml": SCHEMA.replace("above: 0", "above: 1")}, {}),
}


@pytest.mark.dbt
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_moves_its_own_part_alone(read: Read, before: NodeGraph, name: str) -> None:
    changes, expected = CHANGES[name]
    assert moved(before, read(changes)) == expected


@pytest.mark.dbt
def test_a_file_elsewhere_is_the_same_node(read: Read, before: NodeGraph) -> None:
    after = read({"models/priced.sql": None, "models/marts/priced.sql": SHOP["models/priced.sql"]})
    assert moved(before, after) == {}
    assert [node.path for node in after.nodes if node.name == "priced"] == ["models/marts/priced.sql"]


@pytest.mark.dbt
def test_tests_have_fingerprints_too(read: Read, before: NodeGraph) -> None:
    def tests(graph: NodeGraph) -> dict[str, str | None]:
        return {check.unique_id: check.fingerprint for node in graph.nodes for check in node.checks}

    assert None not in tests(before).values()
    assert len(tests(before)) == 3
    for path, text, name in (
        ("macros/tests.sql", SHOP["macros/tests.sql"].replace("<=", "<"), "positive"),
        ("tests/few.sql", "select 2 from {{ ref('orders') }} where false", "few"),
    ):
        after = tests(read({path: text}))
        assert [key for key in after if after[key] != tests(before)[key]] == [
            key for key in after if key.startswith(f"test.shop.{name}")
        ]


@pytest.mark.parametrize(
    ("code", "left"),
    [
        ("{{ config(tags=['a']) }}select 1", "select 1"),
        ("{{- config(\n  a={'b': (1, [2])},\n  c=\"}} ) '\",\n) -}}\nselect 1", "\nselect 1"),
        ("{{ config(a='it\\'s )') }}x{{ config(b=1) }}y", "xy"),
        ("{{ config(a=1) | upper }}select 1", "{{ config(a=1) | upper }}select 1"),
        ("{{ configure(a=1) }}", "{{ configure(a=1) }}"),
        ("{{ config(a=(1 }}select 1", "{{ config(a=(1 }}select 1"),
        ("{{ config(a='1 }}select 1", "{{ config(a='1 }}select 1"),
    ],
)
def test_the_code_without_its_config(code: str, left: str) -> None:
    assert without_config(code) == left


@given(st.text(alphabet="{}()'\"\\ -configx", max_size=60))
def test_any_code_can_be_read(code: str) -> None:
    signs = iter(code)
    assert all(sign in signs for sign in without_config(code))  # something may be left out, nothing moves


def test_code_with_many_openings_is_read_in_one_go() -> None:
    code = "{{ config(" * 50_000
    assert without_config(code) == code
