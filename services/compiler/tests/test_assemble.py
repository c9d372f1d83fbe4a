from __future__ import annotations

import pytest

from floe_compiler.core.assemble import assemble, check_row_owner
from floe_compiler.errors import RowOwnerUnknown
from floe_contracts.artifacts import Tools, read_artifact
from floe_contracts.documents import read_floe_spec
from floe_contracts.errors import Where
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.nodes import Column, Node, NodeGraph

SPEC = """\
apiVersion: floe.dev/v1
kind: FloeSpec
metadata: {name: shop, version: 1.2.0, owner: me, description: A shop., labels: {domain: sales}}
transforms: [{type: dbt, path: dbt}]
"""
ROW_OWNER = "governance: {rowOwner: {column: brand, claim: brand_id}}\n"
TOOLS = Tools(dbt_core="1.11.0", adapters={"duckdb": "1.11.0"})
DIGEST = "sha256:" + "0" * 64


def spec(*lines: str) -> FloeSpec:
    return read_floe_spec(SPEC + "".join(lines))


def graph(*columns: str, expose: bool = True) -> NodeGraph:
    node = Node(
        unique_id="model.shop.orders",
        name="orders",
        resource_type="model",
        materialized="table",
        database="shop",
        schema_name="main",
        identifier="orders",
        path="models/orders.sql",
        expose=expose,
        columns=tuple(Column(name=name) for name in columns),
    )
    return NodeGraph(project="shop", nodes=(node,), checks=())


def test_the_artifact_says_what_the_spec_says_and_can_be_read_back() -> None:
    parts = spec("landing: {select: [table, seed]}\n", ROW_OWNER)
    artifact = assemble(parts, bundle=DIGEST, platform=DIGEST, tools=TOOLS, environments={})
    assert artifact.product.model_dump() == {
        "name": "shop",
        "version": "1.2.0",
        "description": "A shop.",
        "owner": "me",
        "labels": {"domain": "sales"},
    }
    assert artifact.landing == ("seed", "table")
    assert artifact.serving.cube is True
    assert artifact.serving.row_owner is not None
    assert (artifact.serving.row_owner.column, artifact.serving.row_owner.claim) == ("brand", "brand_id")
    assert artifact.transforms[0].path == "dbt"
    assert read_artifact(artifact.to_bytes(), artifact.digest()) == artifact


def test_the_order_in_which_a_person_lists_things_does_not_change_the_digest() -> None:
    one, other = (
        assemble(spec(f"landing: {{select: {kinds}}}\n"), bundle=DIGEST, platform=DIGEST, tools=TOOLS, environments={})
        for kinds in ("[table, seed]", "[seed, table]")
    )
    assert one.digest() == other.digest()


@pytest.mark.parametrize(
    ("lines", "nodes"),
    [
        ((), graph("id")),
        ((ROW_OWNER,), graph("id", "brand")),
        ((ROW_OWNER,), graph("id", expose=False)),
        ((ROW_OWNER, "consumption: {cube: {enabled: false}}\n"), graph("id")),
    ],
    ids=["no row owner", "its column is there", "nothing is exposed", "nothing is served"],
)
def test_the_row_owner_is_in_order(lines: tuple[str, ...], nodes: NodeGraph) -> None:
    check_row_owner(spec(*lines), nodes)


@pytest.mark.parametrize(
    ("columns", "hint"),
    [(("id", "brands"), "did you mean 'brands'?"), (("id",), "document the column in the model's properties file")],
)
def test_a_row_owner_without_its_column_is_refused(columns: tuple[str, ...], hint: str) -> None:
    with pytest.raises(RowOwnerUnknown, match="no exposed model documents a column 'brand'") as refused:
        check_row_owner(spec(ROW_OWNER), graph(*columns))
    assert refused.value.where == Where("floe.yaml", path="governance.rowOwner.column")
    assert refused.value.hint == hint
