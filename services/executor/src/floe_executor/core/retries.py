"""How often a run is tried, how long it waits between its attempts, and what is left for the next one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pydantic import Field

from floe_contracts.compiled_product import CompiledRetries
from floe_contracts.data import Data, FirstMajor
from floe_contracts.events import NodeOutcome
from floe_contracts.nodes import Fingerprints, NodeGraph
from floe_contracts.runs import RunRecord

LONGEST_WAIT: Final = 3600.0
"""Seconds; a doubling wait grows no longer."""
BUILT_WELL: Final = frozenset({"success", "warned"})


class BuiltSoFar(Data):
    """What the attempts of a run have come to, for the next one."""

    version: FirstMajor = "1.0"
    nodes: tuple[NodeOutcome, ...] = Field(description="How each node ended the last time that it was built.")
    whole: bool = Field(description="Whether dbt came to the end of what was asked for; else there may be more nodes.")
    own: tuple[str, ...] = Field(
        default=(), description="Those that the run itself has built, and none that it retries."
    )


def tried(record: RunRecord) -> int:
    """The attempts that count: those that a stopped worker gave up are not the run's fault."""
    return record.attempt - record.interruptions


def exhausted(record: RunRecord, retries: CompiledRetries, most: int) -> bool:
    """Whether no attempt is left; `most` is the executor's own bound.

    Once all is staged there are as many again: the tables belong together, and some may be switched already.
    """
    bound = min(retries.max_attempts, most)
    return tried(record) >= (bound if record.landing is None else 2 * bound)


def wait_seconds(retries: CompiledRetries, failed_attempts: int) -> float:
    """Seconds between an attempt and the next one, after so many that failed."""
    if retries.backoff == "constant":
        return float(retries.delay_seconds)
    return min(retries.delay_seconds * 2.0 ** max(failed_attempts - 1, 0), LONGEST_WAIT)


def merged(earlier: Iterable[NodeOutcome], later: Iterable[NodeOutcome]) -> tuple[NodeOutcome, ...]:
    """One outcome a node, the later one, sorted by id."""
    found = {outcome.unique_id: outcome for outcome in (*earlier, *later)}
    return tuple(found[unique_id] for unique_id in sorted(found))


def still_valid(built: BuiltSoFar, before: NodeGraph, after: NodeGraph) -> BuiltSoFar:
    """What another artifact of the product leaves of it: nodes that are gone are left out, changed ones not built.

    Args:
        built: with the graph `before`.
        before: the graph of the artifact that was built.
        after: the graph of the one that is to be built.
    """
    known = all_ids(after)
    old = {node.unique_id: node.fingerprints for node in before.nodes}
    changed = {node.unique_id for node in after.nodes if _differ(old.get(node.unique_id), node.fingerprints)}
    outcomes = (outcome for outcome in built.nodes if outcome.unique_id in known)
    return built.model_copy(
        update={
            "nodes": tuple(
                outcome.model_copy(update={"status": "skipped"}) if outcome.unique_id in changed else outcome
                for outcome in outcomes
            )
        }
    )


def all_ids(graph: NodeGraph) -> frozenset[str]:
    """Every node and test that a build may come to; sources are not built."""
    nodes = {node.unique_id for node in graph.nodes if node.resource_type != "source"}
    checks = {check.unique_id for node in graph.nodes for check in node.checks}
    return frozenset(nodes | checks | {check.unique_id for check in graph.checks})


def left(built: BuiltSoFar) -> frozenset[str]:
    """The nodes and tests that failed or were skipped."""
    return frozenset(outcome.unique_id for outcome in built.nodes if outcome.status not in BUILT_WELL)


def _differ(was: Fingerprints | None, now: Fingerprints | None) -> bool:
    """Whether a node is built otherwise; where an artifact has no fingerprints, nobody knows."""
    if was is None or now is None:
        return False
    return (was.body, was.config, was.contract) != (now.body, now.config, now.contract)
