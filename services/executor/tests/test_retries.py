from __future__ import annotations

import pytest

from floe_contracts.compiled_product import CompiledRetries
from floe_contracts.errors import BlobMissing
from floe_contracts.events import NodeOutcome, RunOptions
from floe_contracts.nodes import Check, Fingerprints, Node, NodeGraph
from floe_contracts.runs import RunRecord
from floe_executor.core import run_states
from floe_executor.core.retries import (
    LONGEST_WAIT,
    BuiltSoFar,
    all_ids,
    exhausted,
    left,
    merged,
    still_valid,
    tried,
    wait_seconds,
)
from floe_executor.errors import AttemptDied
from floe_executor.runs.run_rules import RunRules
from floe_executor.settings import ExecutorSettings

DIGITS = "0" * 32


def outcome(unique_id: str, status: str, seconds: float = 1.0) -> NodeOutcome:
    return NodeOutcome(unique_id=unique_id, status=status, seconds=seconds)


def node(name: str, body: str = DIGITS, *, kind: str = "model") -> Node:
    return Node.model_validate(
        {
            "unique_id": f"{kind}.shop.{name}",
            "name": name,
            "resource_type": kind,
            "materialized": "table",
            "database": "shop",
            "schema_name": "main",
            "identifier": name,
            "path": f"models/{name}.sql",
            "fingerprints": Fingerprints(body=body, config=DIGITS, contract=DIGITS, metadata=DIGITS),
            "checks": (Check(unique_id=f"test.shop.unique_{name}.1", name="unique"),) if kind == "model" else (),
        }
    )


def graph(*nodes: Node) -> NodeGraph:
    return NodeGraph(project="shop", nodes=nodes, checks=(Check(unique_id="test.shop.few", name="few"),))


def test_an_attempt_that_a_stopped_worker_gave_up_does_not_count(run_record: RunRecord) -> None:
    third = run_record.model_copy(update={"attempt": 3, "interruptions": 1})
    assert tried(third) == 2
    assert not exhausted(third, CompiledRetries(max_attempts=3), most=3)
    assert exhausted(third, CompiledRetries(max_attempts=2), most=3)
    assert exhausted(third, CompiledRetries(max_attempts=9), most=2), "the executor has a bound of its own"
    assert tried(run_states.interrupted(run_record, None)) == 0


@pytest.mark.parametrize(
    ("backoff", "failed", "seconds"),
    [
        ("constant", 1, 30.0),
        ("constant", 4, 30.0),
        ("exponential", 1, 30.0),
        ("exponential", 2, 60.0),
        ("exponential", 4, 240.0),
        ("exponential", 19, LONGEST_WAIT),
    ],
)
def test_the_wait_stays_or_doubles(backoff: str, failed: int, seconds: float) -> None:
    assert wait_seconds(CompiledRetries(delay_seconds=30, backoff=backoff), failed) == seconds


def test_the_last_outcome_of_a_node_counts() -> None:
    found = merged([outcome("a", "success"), outcome("b", "failed")], [outcome("b", "success", 2.0)])
    assert found == (outcome("a", "success"), outcome("b", "success", 2.0))


def test_what_failed_or_was_skipped_is_left() -> None:
    built = BuiltSoFar(
        nodes=(outcome("a", "success"), outcome("b", "warned"), outcome("c", "failed"), outcome("d", "skipped")),
        whole=True,
    )
    assert left(built) == {"c", "d"}


def test_another_artifact_leaves_only_what_it_did_not_change() -> None:
    before = graph(node("same"), node("mended"), node("gone"), node("failed"))
    after = graph(node("same"), node("mended", "1" * 32), node("failed"), node("new"))
    built = BuiltSoFar(
        nodes=(
            outcome("model.shop.same", "success"),
            outcome("model.shop.mended", "success"),
            outcome("model.shop.gone", "success"),
            outcome("model.shop.failed", "failed"),
            outcome("test.shop.few", "skipped"),
            outcome("test.shop.unique_gone.1", "success"),
        ),
        whole=True,
    )
    valid = still_valid(built, before, after)
    assert {one.unique_id: one.status for one in valid.nodes} == {
        "model.shop.same": "success",
        "model.shop.mended": "skipped",
        "model.shop.failed": "failed",
        "test.shop.few": "skipped",
    }
    assert all_ids(after) - all_ids(before) == {"model.shop.new", "test.shop.unique_new.1"}
    assert "source.shop.raw" not in all_ids(graph(node("raw", kind="source")))


def test_a_retry_takes_over_what_it_does_not_say_itself() -> None:
    earlier = RunOptions(select=("orders",), vars={"day": 1}, partition="2026-11-20", retry_of="before")
    sent = RunOptions.model_validate_json(RunOptions(retry_of="failed").model_dump_json())
    taken = run_states.retrying(sent, earlier)
    assert taken == earlier.model_copy(update={"retry_of": "failed"})
    said = run_states.retrying(RunOptions(retry_of="failed", vars={"day": 2}, full_refresh=True), earlier)
    assert (said.vars, said.full_refresh, said.select) == ({"day": 2}, True, ("orders",))


def test_the_rules_of_a_run_whose_artifact_cannot_be_read_are_those_of_the_executor(run_record: RunRecord) -> None:
    missing = BlobMissing("no such blob")
    rules = RunRules(ExecutorSettings(max_attempts=2, tick_seconds=0.5), problem=missing)
    with pytest.raises(BlobMissing):
        rules.found()
    with pytest.raises(AttemptDied):
        RunRules(ExecutorSettings()).found()
    assert not rules.exhausted(run_record)
    assert rules.exhausted(run_record.model_copy(update={"attempt": 2}))
    assert rules.wait(5) == 0.5
    assert rules.deadline(run_record) is None
    assert rules.exhaustion(run_record, missing).message == "1 attempt ended without an outcome: no such blob"
