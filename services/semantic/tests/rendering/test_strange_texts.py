"""Names, texts and values of every kind through Cube's own compiler: what goes in comes out.

An expression that Cube evaluated, or a bracket that it took for its own, would change a text or break the whole model.
"""

from __future__ import annotations

import os
import re

import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from floe_contracts.nodes import Classification, Column, DeclaredMeasure, Exposure
from floe_semantic.core.rendering.render import Bundle, render
from floe_semantic.core.rendering.sql.dialects import DUCKDB, column_name, quoted

from .cube_compiler import CubeCompiler
from .manifest_parts import MakeArtifact, MakeGraph, MakeNode

EXAMPLES = int(os.environ.get("FLOE_FUZZ_BUNDLES", "6"))
"""How many bundles are compiled; more where there is time."""
FRAGMENTS = (
    "{", "}", "{{", "}}", "{%", "%}", "{#", "#}", "${", "`", '"', "'", '"""', "\\", "\\n", "\\{", "\\x7b", "\n",
    "\r\n", "\t", "\u2028", "\u2029", "\x85", "\x00", "\x7f", "\ufeff", "\u202e", "\ud800", "🦆", "é", "e\u0301",
    "{CUBE}", "{orders.count}", "{1+1}", "${1+1}", "{{ env_var('HOME') }}", "{% set a = 1 %}",
    "{securityContext.brand}", "{process.exit()}", "f'{1}'", "{'a'}", "{lambda: 1}", "=1+1", "=cmd|' /C calc'!A0",
    "@SUM(1)", "- x", "# x", ": ", "&a", "*a", "!!python/object", "yes", "null", "~", "1e3", "0x1F", "2026-01-01",
    "---", "...", "<<", "%", "constructor", "__proto__", "toString", "class", "from", "CUBE", "sql", "orders",
    "count", "f", "F", "Rf", "fr", "r", " ", "  ", "a" * 80, "-- ", "/* */", "; drop table x", "%s", "?", "$1",
)  # fmt: skip
PERSONAL = Classification(classification="pii")
TEXTS = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=8)), max_size=6).map("".join)
# What a warehouse takes as a name: anything but nothing and NUL. A manifest is UTF-8, so it has no half of a pair.
NAMES = TEXTS.map(lambda text: text.replace("\x00", "").encode("utf-8", "ignore").decode()).filter(str.strip)


def shown(text: str) -> str:
    """What of a text must be shown: all but control signs and the blanks around it."""
    text = re.sub(r"\r\n|[\r\x85\u2028\u2029]", "\n", text).encode("utf-8", "ignore").decode()
    return "".join(sign for sign in text if sign in "\n\t" or not (ord(sign) < 0x20 or sign == "\x7f")).strip()


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="FLOE_FUZZ_BUNDLES" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    texts=st.lists(TEXTS, min_size=20, max_size=20),
    names=st.lists(NAMES, min_size=10, max_size=10, unique_by=str.casefold),
)
@example(texts=list(FRAGMENTS[:20]), names=["{", "}", "{{", "}}", "{%", "%}", "{#", "#}", "${", "`"])
@example(texts=["f", "F", "rf", "fR"] * 5, names=["f", "F_", "rf", "r", "b", "u", "fr", "f ", "off", "x"])
@example(texts=list(FRAGMENTS[20:40]), names=["a-b", "a_b", "A_B", "count", "orders", "board", "1", "é", "_", "__"])
@example(texts=list(FRAGMENTS[-20:]), names=['"', "''", "a.b", "a b", "a\\", "\\{", "{CUBE}", "`x`", "}}", "{{"])
def test_texts_come_out_as_they_went_in(
    make_node: MakeNode,
    make_artifact: MakeArtifact,
    graph_of: MakeGraph,
    cube_compiler: CubeCompiler,
    texts: list[str],
    names: list[str],
) -> None:
    schema, table, *columns = names
    value = texts[0].replace("\x00", "").encode("utf-8", "ignore").decode().replace("'", "''")
    condition = f"status <> '{value}'"
    node = make_node(
        "orders",
        schema_name=schema,
        identifier=table,
        description=texts[1],
        owner=texts[2],
        tier=texts[3],
        tags=tuple(texts[4:6]),
        columns=tuple(
            Column(name=name, data_type="varchar", description=text, classification=PERSONAL)
            for name, text in zip(columns, texts[6:14], strict=True)
        ),
        measures=(
            DeclaredMeasure(
                name=texts[14] or "m",
                type="count",
                title=texts[15],
                description=texts[16],
                filters=(condition,),
            ),
        ),
    )
    exposure = Exposure(
        unique_id="exposure.shop.board",
        name=names[-1],
        type=texts[17],
        owner=texts[18],
        description=texts[19],
        depends_on=(node.unique_id,),
    )
    # An artifact is UTF-8, so its roles have no half of a pair.
    roles = {"pii": ("mask", tuple(text.encode("utf-8", "ignore").decode() for text in texts[4:6]))}
    bundle = render(make_artifact(row_owner=None, prod=roles), graph_of(node, exposures=(exposure,)), "prod")
    compiled = cube_compiler.compile(bundle.files, [everything(bundle, "orders"), everything(bundle, bundle.views[0])])
    assert compiled["errors"] is None
    cubes = {cube["name"]: cube for cube in compiled["cubes"]}
    assert set(cubes) == {*bundle.cubes, *bundle.views}
    cube, view = cubes["orders"], cubes[bundle.views[0]]
    assert (cube.get("description") or "") == shown(texts[1])
    assert cube["meta"]["floe"].get("owner", "") == shown(texts[2])
    assert cube["meta"]["floe"].get("tier", "") == shown(texts[3])
    assert view["meta"]["floe"].get("type", "") == shown(texts[17])
    assert view["meta"]["floe"].get("owner", "") == shown(texts[18])
    assert (view.get("description") or "") == shown(texts[19])
    described = {item["meta"]["floe"]["columns"][0]: item.get("description") or "" for item in cube["dimensions"]}
    wanted = {name.casefold(): shown(text) for name, text in zip(columns, texts[6:14], strict=True)}
    # Of several columns that Cube would call the same, the first is served.
    assert described.items() <= wanted.items()
    assert len(described) + sum("another column has the same name" in told for told in bundle.skipped) == len(columns)
    sql = compiled["sql"][0].get("sql")
    assert sql is not None, compiled["sql"]
    assert f"{quoted(schema, DUCKDB)}.{quoted(table, DUCKDB)}" in sql
    assert all(f'"orders".{column_name(name, DUCKDB)}' in sql for name in columns if name.casefold() in described)
    assert f"{condition}" in sql
    assert compiled["sql"][1].get("sql") is not None, compiled["sql"]


def everything(bundle: Bundle, name: str) -> dict[str, list[str]]:
    """A query for all members of a cube or view."""
    members = {**bundle.shown.cubes, **bundle.shown.views}[name]
    document = yaml.safe_load(bundle.files["model/cubes/orders.yml"])["cubes"][0]
    measures = {item["name"] for item in document["measures"]}
    return {
        "measures": [f"{name}.{member}" for member in members if member in measures],
        "dimensions": [f"{name}.{member}" for member in members if member not in measures],
    }
