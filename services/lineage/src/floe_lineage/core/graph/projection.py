"""How an event changes what is known of the job and the datasets that it speaks of.

Events of one run add to each other, whatever order they come in, as long as it is one of the few runs of its job that
were last heard of without their end, or the last complete one; what a complete run says stands until a later one says
otherwise. What an event says in an order of its own is decided by its time, which event is in a record by the stream's
numbers, so that an event that comes again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from floe_contracts.lineage_requests import NodeRun, node_id
from floe_contracts.lineage_states import (
    DatasetName,
    DatasetState,
    Declaration,
    JobState,
    LineageState,
    OpenRun,
    OutputColumns,
)
from floe_contracts.plugins.lineage_backends import Position
from floe_lineage.core.graph.facts import DatasetFacts, EventFacts, iso

TERMINAL: Final = frozenset({"COMPLETE", "FAIL", "ABORT"})
_START_RANK: Final = 0
_READER_RANK: Final = 1
_WRITER_RANK: Final = 2
_MOST_ENVIRONMENTS: Final = 50
_MOST_OPEN_RUNS: Final = 4
_MOST_DATASETS: Final = 2_000
"""So many inputs, and outputs, the events of a run add up to: a run that goes on for ever must not grow for ever."""


def is_known(state: LineageState | None, position: Position) -> bool:
    """Whether an event is in a record already."""
    return state is not None and state.position.covers(position)


def with_event(state: JobState | None, facts: EventFacts, position: Position) -> JobState:
    """The record of the job that a run or job event speaks of.

    Args:
        state: what was known of it.
        facts: what the event says; its job is what `state` is about.
        position: of the event, which is not in the record.
    """
    assert facts.job is not None  # noqa: S101 - of a dataset event there is no job to ask for
    changes = _shared(state, facts, position)
    if facts.job.type is not None or state is None:
        changes["type"] = facts.job.type
    changes |= {"namespace": facts.job.namespace, "name": facts.job.name}
    if facts.kind == "job":
        changes |= _declared_data(state, facts)
    else:
        last = _last_run(state, facts, job_id=None)
        changes["last_run"] = last
        changes |= _run_data(state, facts, last, position)
    return JobState(**changes) if state is None else state.model_copy(update=changes)


def with_mention(
    state: DatasetState | None, told: DatasetFacts, facts: EventFacts, position: Position, *, written: bool
) -> DatasetState:
    """The record of a dataset that an event speaks of.

    Args:
        state: what was known of it.
        told: what the event says of it.
        facts: the whole event.
        position: of the event, which is not in the record.
        written: whether the event's job writes it, or the event is about it alone.
    """
    changes = _shared(state, facts, position)
    changes |= {"namespace": told.name.namespace, "name": told.name.name}
    by_writer = written and facts.kind != "job"
    if state is not None and state.last_run is not None and not by_writer:
        changes |= {"environment": state.environment, "product": state.product}  # it belongs to who writes it
    changes |= _schema(state, told, facts, written=written)
    newer = state is None or facts.at >= state.described_at
    if told.described and newer:
        changes["described_at"] = facts.at
    if told.type is not None and (newer or state is None or state.type is None):
        changes["type"] = told.type
    if told.symlinks is not None and newer:
        changes["symlinks"] = tuple(name for name in told.symlinks if name != told.name)
    if written and newer and (told.dropped or facts.complete):
        changes["dropped"] = told.dropped
    changes["declarations"] = _declarations(state, told, facts)
    if written and facts.run_id is not None and facts.job is not None:
        changes["last_run"] = _last_run(state, facts, node_id("job", facts.job.namespace, facts.job.name))
    return DatasetState(**changes) if state is None else state.model_copy(update=changes)


def columns_of_producer(facts: EventFacts) -> tuple[OutputColumns, ...]:
    """What the producer itself says that the columns of the outputs are made of."""
    return tuple(
        OutputColumns(
            namespace=output.name.namespace,
            name=output.name.name,
            told_by="producer",
            columns=output.columns.columns,
            whole=output.columns.whole,
        )
        for output in facts.outputs
        if output.columns is not None
    )


def _shared(state: LineageState | None, facts: EventFacts, position: Position) -> dict[str, Any]:
    """What every event changes."""
    place = facts.place
    known = state.environments if state else ()
    environments = known if place.environment in known else (*known[-_MOST_ENVIRONMENTS:], place.environment)
    # The clock of the bus may go back; what a record covers must not.
    stored_at = max(position.stored_at, state.stored_at if state else 0)
    return {
        "tenant": place.tenant,
        "environment": place.environment,
        "environments": environments,
        "product": place.product,
        "sequence": position.sequence,
        "stored_at": stored_at,
    }


def _last_run(state: LineageState | None, facts: EventFacts, job_id: str | None) -> NodeRun | None:
    """The run that happened last, and the last that happened to it."""
    known = state.last_run if state else None
    if facts.run_id is None:
        return known
    told = NodeRun(run_id=facts.run_id, event_type=facts.event_type, at=facts.time, job_id=job_id)
    if known is None:
        return told
    if known.run_id == told.run_id and (known.event_type in TERMINAL) != (told.event_type in TERMINAL):
        return told if told.event_type in TERMINAL else known
    return told if told.at >= known.at else known


def _run_data(state: JobState | None, facts: EventFacts, last: NodeRun | None, position: Position) -> dict[str, Any]:
    """What the job reads and writes, after an event of a run."""
    assert facts.run_id is not None  # noqa: S101 - it is an event of a run
    open_runs = state.open_runs if state else ()
    same = next((each for each in open_runs if each.run_id == facts.run_id), None)
    others = tuple(each for each in open_runs if each is not same)
    before: OpenRun | JobState | None = state if state is not None and _is_of(state, facts.run_id) else same
    inputs = _together(before.inputs if before else (), facts.inputs)
    outputs = _together(before.outputs if before else (), facts.outputs)
    changes: dict[str, Any] = {"open_runs": others}
    if facts.event_type == "COMPLETE":
        if state is None or facts.at >= state.described_at:
            origin = facts.origin.model_copy(update={"sequence": position.sequence}) if facts.origin else None
            changes |= {"inputs": inputs, "outputs": outputs, "completed": True, "described_at": facts.at}
            changes["origin"] = origin
        elif before is state:
            changes |= {"inputs": inputs, "outputs": outputs}
        return changes
    current = last is not None and last.run_id == facts.run_id
    over = facts.event_type in TERMINAL or (last is not None and current and last.event_type in TERMINAL)
    if before is state and state is not None:
        return changes if facts.event_type in TERMINAL else changes | {"inputs": inputs, "outputs": outputs}
    if not over and (inputs or outputs):
        this = OpenRun(run_id=facts.run_id, inputs=inputs, outputs=outputs)
        changes["open_runs"] = (*others, this)[-_MOST_OPEN_RUNS:]
    if current and (state is None or not state.completed) and (inputs or outputs):
        changes |= {"inputs": inputs, "outputs": outputs}
    return changes


def _is_of(state: JobState, run_id: str) -> bool:
    """Whether what is known of a job's data comes from that run."""
    origin = state.origin
    return origin is not None and origin.run_id == run_id and origin.at == iso(state.described_at)


def _declared_data(state: JobState | None, facts: EventFacts) -> dict[str, Any]:
    """What the job reads and writes, after an event that tells of it without a run."""
    if (state is not None and facts.at < state.described_at) or not (facts.inputs or facts.outputs):
        return {}
    return {
        "inputs": _together((), facts.inputs),
        "outputs": _together((), facts.outputs),
        "completed": True,
        "described_at": facts.at,
    }


def _together(known: tuple[DatasetName, ...], told: Iterable[DatasetFacts]) -> tuple[DatasetName, ...]:
    """What is known and what is told; where that is too much, what one event tells stays whole."""
    said = dict.fromkeys(dataset.name for dataset in told)
    names = tuple(dict.fromkeys((*known, *said)))
    if len(names) <= _MOST_DATASETS:
        return names
    earlier = [name for name in known if name not in said]
    return (*earlier[: max(0, _MOST_DATASETS - len(said))], *said)


def _schema(state: DatasetState | None, told: DatasetFacts, facts: EventFacts, *, written: bool) -> dict[str, Any]:
    """A writer knows its columns, a reader has seen them, and who only begins may go by what is documented."""
    if not told.fields:
        return {}
    if facts.kind == "run" and facts.event_type != "COMPLETE":
        rank = _START_RANK
    else:
        rank = _WRITER_RANK if written else _READER_RANK
    if state is not None:
        older = rank == state.fields_rank and facts.at < state.fields_at
        if rank < state.fields_rank or older:
            return {}
    complete = told.ordered or facts.place.product.startswith("-")
    return {"fields": told.fields, "fields_complete": complete, "fields_rank": rank, "fields_at": facts.at}


def _declarations(state: DatasetState | None, told: DatasetFacts, facts: EventFacts) -> tuple[Declaration, ...]:
    """What is said of the columns, each by its own declarer: silence of another one takes nothing back."""
    known = state.declarations if state else ()
    product = facts.place.product
    declared = told.declared
    if declared is None:
        # floe's own events describe a dataset wholly; others often leave out what has not changed.
        if product.startswith("-") or not told.described or not any(one.product == product for one in known):
            return known
        declared = {}
    mine = next((one for one in known if one.product == product), None)
    if (mine is None and not declared) or (mine is not None and facts.at < mine.at):
        return known
    others = tuple(one for one in known if one.product != product)
    return (*others, Declaration(product=product, at=facts.at, columns=declared))
