from __future__ import annotations

from datetime import UTC, datetime

import pytest

from floe_contracts.events import NodeCompleted, NodeFailed, NodeSkipped, NodeStarted
from floe_contracts.runs import RunRecord
from floe_executor.core.node_reports import NodeBegan, NodeDone, NodeStatus, event_of, outcomes

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def done(status: NodeStatus, message: str | None = None) -> NodeDone:
    return NodeDone("model.shop.orders", NOW, status, 1.23456, message)


def test_a_node_that_began(run_record: RunRecord) -> None:
    event = event_of(NodeBegan("model.shop.orders", NOW), run_record)
    assert isinstance(event, NodeStarted)
    assert (event.unique_id, event.attempt, event.run_id) == ("model.shop.orders", 1, run_record.run_id)


@pytest.mark.parametrize("status", [NodeStatus.SUCCESS, NodeStatus.WARNED])
def test_a_node_that_ended_well(run_record: RunRecord, status: NodeStatus) -> None:
    event = event_of(done(status, "2 rows"), run_record)
    assert isinstance(event, NodeCompleted)
    assert (event.status, event.message, event.seconds) == (status.value, "2 rows", 1.23456)


@pytest.mark.parametrize(("status", "kind"), [(NodeStatus.FAILED, NodeFailed), (NodeStatus.SKIPPED, NodeSkipped)])
def test_a_node_that_did_not(run_record: RunRecord, status: NodeStatus, kind: type) -> None:
    event = event_of(done(status, "why"), run_record)
    assert type(event) is kind
    assert getattr(event, "message", None) == "why"


def test_one_outcome_a_node_sorted_and_none_for_a_node_that_only_began() -> None:
    reports = [
        NodeBegan("model.shop.b", NOW),
        NodeBegan("model.shop.a", NOW),
        NodeDone("model.shop.b", NOW, NodeStatus.SUCCESS, 1.23456),
        NodeDone("model.shop.0", NOW, NodeStatus.SKIPPED, 0.0),
    ]
    assert [(node.unique_id, node.status, node.seconds) for node in outcomes(reports)] == [
        ("model.shop.0", "skipped", 0.0),
        ("model.shop.b", "success", 1.235),
    ]
