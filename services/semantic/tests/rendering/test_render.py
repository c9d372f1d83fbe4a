"""The bundle of a small shop, and when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from floe_contracts.nodes import NodeGraph
from floe_semantic.core.rendering.render import render
from floe_semantic.errors import ClaimUnusable, NothingToServe

from .manifest_parts import MakeArtifact, MakeGraph, MakeNode, Parse, members

GOLDEN = Path(__file__).parent / "golden"
PROD = {"pii": ("mask", ("data_owner",)), "financial": ("restrict", ("data_owner", "finance"))}


def test_the_bundle_is_the_golden_one(shop: NodeGraph, make_artifact: MakeArtifact) -> None:
    bundle = render(make_artifact(prod=PROD), shop, "prod")
    golden = {str(path.relative_to(GOLDEN)): path.read_text() for path in GOLDEN.rglob("*.yml")}
    assert bundle.files == golden
    assert (bundle.cubes, bundle.views) == (("customers", "orders"), ("board",))
    assert bundle.skipped == (
        "model.shop.orders: restricted members are null in the cube instead of absent, for its views' sake",
    )


def test_the_bundle_depends_on_no_order(shop: NodeGraph, make_artifact: MakeArtifact) -> None:
    turned = shop.model_copy(
        update={
            "nodes": shop.nodes[::-1],
            "metrics": shop.metrics[::-1],
            "semantic_models": shop.semantic_models[::-1],
            "exposures": shop.exposures[::-1],
        }
    )
    artifact = make_artifact(prod=PROD)
    assert list(render(artifact, turned, "prod").files.items()) == list(render(artifact, shop, "prod").files.items())


def test_environments_differ_by_their_policies_alone(
    shop: NodeGraph, make_artifact: MakeArtifact, parsed: Parse
) -> None:
    artifact = make_artifact(dev={}, prod=PROD)
    dev, prod = (parsed(render(artifact, shop, name), "customers") for name in ("dev", "prod"))
    assert len(dev["access_policy"]) == 1
    assert len(prod["access_policy"]) == 3
    assert "mask" not in members(dev, "dimensions")["email"]
    assert members(prod, "dimensions")["email"]["mask"] == {"sql": "'[masked]'"}


def test_no_model_exposed_is_a_failure(shop: NodeGraph, make_artifact: MakeArtifact) -> None:
    hidden = shop.model_copy(update={"nodes": tuple(node.model_copy(update={"expose": False}) for node in shop.nodes)})
    with pytest.raises(NothingToServe, match="no model is exposed"):
        render(make_artifact(prod={}), hidden, "prod")


def test_exposed_models_that_cannot_be_served_are_a_failure(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph
) -> None:
    graph = graph_of(make_node("a", ("id",)), make_node("b", ("brand",), materialized="view"))
    with pytest.raises(NothingToServe, match=r"model\.shop\.a: .*brand; model\.shop\.b: .*views do not land"):
        render(make_artifact(prod={}), graph, "prod")


def test_a_claim_that_cube_cannot_name_is_a_failure(shop: NodeGraph, make_artifact: MakeArtifact) -> None:
    with pytest.raises(ClaimUnusable, match="https"):
        render(make_artifact(row_owner=("brand", "https://shop/brand"), prod={}), shop, "prod")
