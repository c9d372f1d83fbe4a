from __future__ import annotations

import pytest

from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.events import NodeOutcome
from floe_contracts.nodes import Node, NodeGraph
from floe_executor.core.landing_journal import LandingJournal, StagedNode, nodes_to_land


def node(unique_id: str, materialized: str) -> Node:
    return Node(
        unique_id=unique_id,
        name="n",
        resource_type=unique_id.split(".")[0],  # type: ignore[arg-type]
        materialized=materialized,
        database="shop",
        schema_name="main",
        identifier="n",
        path="n.sql",
    )


GRAPH = NodeGraph(
    project="shop",
    nodes=(
        node("model.shop.table", "table"),
        node("model.shop.view", "view"),
        node("model.shop.warned", "incremental"),
        node("model.shop.failed", "table"),
        node("model.shop.not_built", "table"),
        node("seed.shop.seed", "seed"),
        node("source.shop.source", "table"),
    ),
    checks=(),
)
STATUS = {"warned": "warned", "failed": "failed", "view": "success"}
OUTCOMES = tuple(
    NodeOutcome(unique_id=each.unique_id, status=STATUS.get(each.unique_id.split(".")[-1], "success"), seconds=1.0)
    for each in GRAPH.nodes
    if "not_built" not in each.unique_id
)


@pytest.mark.parametrize(
    ("select", "landed"),
    [
        (("incremental", "seed", "snapshot", "table"), ["model.shop.table", "model.shop.warned", "seed.shop.seed"]),
        (("table",), ["model.shop.table"]),
        ((), []),
    ],
)
def test_only_what_was_built_well_and_is_selected_lands(
    artifact: CompiledArtifacts, select: tuple[str, ...], landed: list[str]
) -> None:
    selecting = artifact.model_copy(update={"landing": select})
    assert [each.unique_id for each in nodes_to_land(selecting, GRAPH, OUTCOMES)] == landed


def test_a_journal_is_read_back_by_a_later_attempt_also_a_newer_one() -> None:
    staged = StagedNode(unique_id="model.shop.table", staged={"identifier": ["a", "b"], "rows": 2**40})
    journal = LandingJournal(nodes=OUTCOMES, tables=(staged,), seconds=1.5)
    assert LandingJournal.model_validate_json(journal.model_dump_json(), extra="ignore") == journal
    newer = journal.model_dump(mode="json") | {"compacted": True}
    assert LandingJournal.model_validate(newer, extra="ignore").tables == (staged,)
