"""What a batch of events changes, record by record: each record is changed as often as need be, and written once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from floe_contracts.errors import ContractError
from floe_contracts.lineage_requests import node_id
from floe_contracts.lineage_states import DatasetState, JobState, Told, ToldOutput
from floe_contracts.openlineage.enrichment import digest_of_told, told_facets
from floe_contracts.plugins.lineage_backends import LineageEvent, Position
from floe_lineage.core.graph.facts import DatasetFacts, EventFacts, read_facts
from floe_lineage.core.graph.projection import columns_of_producer, is_known, with_event, with_mention
from floe_lineage.core.graph.tenant_graph import TenantGraph

RecordKey: TypeAlias = tuple[str, str]
"""Tenant, and id of the dataset or job."""


@dataclass(frozen=True, slots=True)
class PassedOver:
    """An event that says nothing to the graph, and why."""

    position: Position
    reason: str


@dataclass(slots=True)
class Batch:
    """What events have changed.

    Attributes:
        jobs: records that are to be written.
        datasets: the same.
        finished: what was last told of a job of which it is now known anew what it reads and writes.
        passed_over: events that changed nothing, as they are none.
    """

    jobs: dict[RecordKey, JobState] = field(default_factory=dict)
    datasets: dict[RecordKey, DatasetState] = field(default_factory=dict)
    finished: dict[RecordKey, EventFacts] = field(default_factory=dict)
    passed_over: list[PassedOver] = field(default_factory=list)


def fold(batch: Batch, graphs: Mapping[str, TenantGraph], events: Iterable[LineageEvent]) -> None:
    """Add to a batch what events change in what is known, in their order; `graphs`, by tenant, stay as they are."""
    for event in events:
        try:
            facts = read_facts(event)
        except ContractError as error:
            batch.passed_over.append(PassedOver(event.position, error.message))
            continue
        known = graphs.get(facts.place.tenant)
        if facts.enrichment is not None:
            _fold_own(batch, known, facts, event.position)
            continue
        if facts.job is not None:
            _fold_job(batch, known, facts, event.position)
        if facts.dataset is not None:
            _fold_dataset(batch, known, facts.dataset, facts, event.position, written=True)
        for output in facts.outputs:
            _fold_dataset(batch, known, output, facts, event.position, written=True)
        for each in facts.inputs:
            _fold_dataset(batch, known, each, facts, event.position, written=False)
        for mentioned in {name for output in facts.outputs for name in output.mentioned}:
            _fold_dataset(batch, known, DatasetFacts(mentioned), facts, event.position, written=False)


def _fold_job(batch: Batch, known: TenantGraph | None, facts: EventFacts, position: Position) -> None:
    assert facts.job is not None  # noqa: S101 - only called for those that have one
    key = (facts.place.tenant, node_id("job", facts.job.namespace, facts.job.name))
    state = batch.jobs.get(key) or (known.jobs.get(key[1]) if known else None)
    if is_known(state, position):
        return
    changed = with_event(state, facts, position)
    if facts.complete and changed.described_at == facts.at:
        batch.finished[key] = facts
        kept = (each for each in changed.columns if each.told_by != "producer")
        columns = (*kept, *columns_of_producer(facts))
        if columns != changed.columns:
            changed = changed.model_copy(update={"columns": columns})
    batch.jobs[key] = changed


def _fold_dataset(
    batch: Batch, known: TenantGraph | None, told: DatasetFacts, facts: EventFacts, position: Position, *, written: bool
) -> None:
    key = (facts.place.tenant, told.name.id)
    stored = known.datasets.get(key[1]) if known else None
    if is_known(stored, position):
        return
    # One event may speak of a dataset several times, as what a job reads and writes: that is one event all the same.
    batch.datasets[key] = with_mention(batch.datasets.get(key) or stored, told, facts, position, written=written)


def _fold_own(batch: Batch, known: TenantGraph | None, facts: EventFacts, position: Position) -> None:
    """Floe's own finding, read back: whoever starts anew knows by it what is told already."""
    assert facts.job is not None and facts.enrichment is not None  # noqa: S101, PT018 - only called for those
    key = (facts.place.tenant, node_id("job", facts.job.namespace, facts.job.name))
    state = batch.jobs.get(key) or (known.jobs.get(key[1]) if known else None)
    if state is None or is_known(state, position) or state.product != facts.place.product:
        return
    found = told_facets(facts.enrichment)
    outputs = (
        ToldOutput(namespace=namespace, name=name, facets=tuple(sorted(facets)))
        for (namespace, name), facets in sorted(found.items())
    )
    told = Told(digest=digest_of_told(found), sequence=position.sequence, outputs=tuple(outputs))
    batch.jobs[key] = state.model_copy(
        update={"told": told, "sequence": position.sequence, "stored_at": max(position.stored_at, state.stored_at)}
    )
