"""Row owners and classifications: what every cube and view denies."""

from __future__ import annotations

import pytest

from floe_contracts.nodes import Exposure
from floe_semantic.core.rendering.render import render
from floe_semantic.errors import NothingToServe

from .manifest_parts import MakeArtifact, MakeGraph, MakeNode, Parse, members, metric, model, where

PROD = {"pii": ("mask", ("data_owner",)), "financial": ("restrict", ("data_owner", "finance"))}
OWNER = ("brand", "brand")


def test_a_model_without_the_row_owner_is_left_out(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph
) -> None:
    graph = graph_of(make_node("a", ("brand",)), make_node("b", ("id",)))
    bundle = render(make_artifact(prod={}), graph, "prod")
    assert bundle.cubes == ("a",)
    assert bundle.skipped == ("model.shop.b: not served: rows have owners, and the model documents no column brand",)


def test_the_marked_column_is_the_row_owner(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse
) -> None:
    marked = make_node("a", ("brand",), ("tenant_id",))
    columns = tuple(item.model_copy(update={"row_owner": item.name == "tenant_id"}) for item in marked.columns)
    bundle = render(make_artifact(prod={}), graph_of(marked.model_copy(update={"columns": columns})), "prod")
    (policy,) = parsed(bundle, "a")["access_policy"]
    assert policy["conditions"] == [{"if": "{ not not securityContext.brand }"}]
    assert policy["row_level"]["filters"] == [
        {"member": "tenant_id", "operator": "equals", "values": ["{ securityContext.brand }"]}
    ]


@pytest.mark.parametrize("row_owner", [None, OWNER])
def test_marks_that_contradict_leave_the_model_out(
    make_node: MakeNode, make_artifact: MakeArtifact, row_owner: tuple[str, str] | None, graph_of: MakeGraph
) -> None:
    marked = make_node("a", ("brand",), ("tenant_id",))
    columns = tuple(item.model_copy(update={"row_owner": True}) for item in marked.columns)
    with pytest.raises(NothingToServe, match="row owner"):
        render(
            make_artifact(row_owner=row_owner, prod={}),
            graph_of(marked.model_copy(update={"columns": columns})),
            "prod",
        )


def test_nothing_takes_the_row_owners_name(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse
) -> None:
    node = make_node("a", ("a-b",), ("a_b",))
    semantic = model("a", dimensions=[{"name": "a_b", "type": "categorical", "expr": "'everybody'"}])
    bundle = render(make_artifact(row_owner=("a_b", "x"), prod={}), graph_of(node, semantic_models=(semantic,)), "prod")
    cube = parsed(bundle, "a")
    assert members(cube, "dimensions")["a_b"]["sql"] == "{CUBE}.a_b"
    assert cube["access_policy"][0]["row_level"]["filters"][0]["member"] == "a_b"
    assert len(bundle.skipped) == 2


def test_a_cube_named_as_the_row_owner_does_not_catch_its_filter(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse
) -> None:
    bundle = render(make_artifact(prod={}), graph_of(make_node("brand", ("brand",))), "prod")
    filters = parsed(bundle, "brand")["access_policy"][0]["row_level"]["filters"]
    assert filters[0]["member"] == "brand_"


def test_a_sensitive_row_owner_is_shown_to_those_who_own_the_rows(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse
) -> None:
    node = make_node("a", ("brand", "varchar", "pii"), ("email", "varchar", "pii"))
    bundle = render(make_artifact(prod=PROD), graph_of(node), "prod")
    assert parsed(bundle, "a")["access_policy"][0]["member_level"] == {"excludes": ["email"]}
    assert bundle.skipped == ("model.shop.a: brand: shown, because rows are chosen by it",)


def test_rules_are_inherited_by_everything_computed_from_a_column(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse
) -> None:
    node = make_node("a", ("id", "integer"), ("email", "varchar", "pii"), ("kind",), primary_key=("id",))
    semantic = model(
        "a",
        entities=[{"name": "a", "type": "primary", "expr": "id"}],
        dimensions=[{"name": "domain", "type": "categorical", "expr": "split_part(EMAIL, '@', 2)"}],
        measures=[
            {"name": "emails", "agg": "count_distinct", "expr": "email"},
            {"name": "rows_", "agg": "count", "expr": "1"},
        ],
    )
    metrics = (
        metric("twice", "derived", {"expr": "2 * emails_m", "metrics": [{"name": "emails_m"}]}),
        metric("emails_m", "simple", {"measure": {"name": "emails"}}),
        metric("hot", "simple", {"measure": {"name": "rows_"}}, filter=where("{{ Dimension('a__domain') }} = 'x'")),
        metric("plain", "simple", {"measure": {"name": "rows_"}}, filter=where("kind = 'x'")),
    )
    graph = graph_of(node, semantic_models=(semantic,), metrics=metrics)
    bundle = render(make_artifact(row_owner=None, prod=PROD), graph, "prod")
    cube = parsed(bundle, "a")
    of_all, masked, shown = cube["access_policy"]
    of_email = ["domain", "email", "emails", "emails_m", "hot", "twice"]
    assert of_all["member_level"] == {"excludes": of_email}
    assert masked["member_masking"] == {"includes": of_email}
    assert shown["member_level"] == {"includes": of_email}
    assert members(cube, "dimensions")["domain"]["mask"] == {"sql": "'[masked]'"}
    # Cube passes over a measure's own SQL mask in ungrouped queries.
    assert not any("mask" in measure for measure in cube["measures"])


def test_a_name_in_another_case_does_not_hide_a_classification(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse
) -> None:
    node = make_node("a", ("email",), ("Email", "varchar", "pii"))
    bundle = render(make_artifact(row_owner=None, prod=PROD), graph_of(node), "prod")
    assert parsed(bundle, "a")["access_policy"][0]["member_level"] == {"excludes": ["email"]}


def test_keys_are_restricted_instead_of_masked_and_stand_in_no_view(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse
) -> None:
    node = make_node("a", ("id", "integer", "identifier"), ("kind",), primary_key=("id",))
    other = make_node("b", ("kind",))
    uses = (node.unique_id, other.unique_id)
    exposure = Exposure(unique_id="exposure.shop.e", name="a", type="dashboard", depends_on=uses)
    artifact = make_artifact(row_owner=None, prod={"identifier": ("mask", ("hr",))})
    bundle = render(artifact, graph_of(node, other, exposures=(exposure,)), "prod")
    policy = parsed(bundle, "a")["access_policy"][0]
    assert policy["member_level"] == {"excludes": ["count", "id"]}
    assert "member_masking" not in policy
    assert bundle.views == ("a_view",)
    assert [part["join_path"] for part in parsed(bundle, "a_view")["cubes"]] == ["b"]
    assert len([line for line in bundle.skipped if "key" in line]) == 2


def test_masks_fit_the_types(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse
) -> None:
    node = make_node("a", ("born", "date", "pii"), ("age", "integer", "pii"), ("name", "varchar", "pii"))
    cube = parsed(render(make_artifact(row_owner=None, prod=PROD), graph_of(node), "prod"), "a")
    masks = {name: member.get("mask") for name, member in members(cube, "dimensions").items()}
    assert masks == {"born": {"sql": "cast(null as timestamp)"}, "age": None, "name": {"sql": "'[masked]'"}}


def test_redact_is_null(make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse) -> None:
    artifact = make_artifact(row_owner=None, prod={"pii": ("redact", ()), "internal": ("none", ())})
    node = make_node("a", ("name", "varchar", "pii"), ("kind", "varchar", "internal"))
    cube = parsed(render(artifact, graph_of(node), "prod"), "a")
    assert "mask" not in members(cube, "dimensions")["name"]
    (policy,) = cube["access_policy"]
    assert policy["member_masking"] == {"includes": ["name"]}


def test_what_should_be_synthesized_is_not_there_because_nothing_makes_it_up(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse
) -> None:
    artifact = make_artifact(row_owner=None, dev={"pii": ("synthesize", ("data_owner",))})
    node = make_node("a", ("id", "integer", "pii"), ("email", "varchar", "pii"), ("kind",), primary_key=("id",))
    bundle = render(artifact, graph_of(node), "dev")
    of_all, cleared = parsed(bundle, "a")["access_policy"]
    assert of_all["member_level"] == {"excludes": ["count", "email", "id"]}
    assert cleared["member_level"] == {"includes": ["count", "email", "id"]}
    assert not any("member_masking" in policy for policy in (of_all, cleared))
    assert bundle.skipped == (
        "model.shop.a: email: restrict instead of synthesize: nothing makes up values",
        "model.shop.a: id: restrict instead of synthesize: nothing makes up values",
        "model.shop.a: in no view, because its key is restricted",
    )


def test_a_classification_that_only_the_platform_knows_is_protected(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse
) -> None:
    artifact = make_artifact(row_owner=None, prod={"payroll": ("restrict", ())})
    bundle = render(artifact, graph_of(make_node("a", ("salary", "integer", "payroll"), ("kind",))), "prod")
    assert parsed(bundle, "a")["access_policy"][0]["member_level"] == {"excludes": ["salary"]}
