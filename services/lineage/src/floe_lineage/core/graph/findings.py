"""What a job's columns are made of, where its producer does not say so: by its SQL, or as it lands a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from floe_contracts.lineage_states import ColumnSource, DatasetName, DatasetState, JobState, OutputColumns
from floe_lineage.core.columns.model import ColumnLineage, InputField, Statement, Table
from floe_lineage.core.graph.facts import EventFacts

FindDataset: TypeAlias = Callable[[DatasetName], DatasetState | None]

_IDENTITY = "IDENTITY"


def told_by_producer(facts: EventFacts) -> bool:
    """Whether the producer says what the columns of every output are made of."""
    return bool(facts.outputs) and all(output.columns is not None for output in facts.outputs)


def statement_of(job: JobState, facts: EventFacts, find: FindDataset) -> Statement | None:
    """What is to be read for the columns of a job; None where there is no SQL, or more than one output."""
    if facts.job is None or facts.job.sql is None or len(job.outputs) != 1:
        return None
    return Statement(
        sql=facts.job.sql,
        dialect=facts.job.dialect,
        inputs=tuple(_table(name, find(name)) for name in job.inputs),
        output=_table(job.outputs[0], find(job.outputs[0])),
    )


def columns_of_sql(statement: Statement, found: ColumnLineage) -> OutputColumns | None:
    """What SQL says of the columns of its output; None where it could not be read."""
    if found.unparsed is not None:
        return None
    return OutputColumns(
        namespace=statement.output.namespace,
        name=statement.output.name,
        told_by="sql",
        partial=bool(found.unresolved),
        columns={column: tuple(_sources(fields)) for column, fields in found.fields.items()},
        whole=tuple(_sources(found.whole)),
    )


def columns_of_landing(job: JobState, find: FindDataset) -> OutputColumns | None:
    """A landed table has the columns of its relation, each under its name; None where they are not known."""
    if len(job.inputs) != 1 or len(job.outputs) != 1:
        return None
    source, target = find(job.inputs[0]), find(job.outputs[0])
    if source is None or target is None or not source.fields or not target.fields:
        return None
    spelled = {field.name.casefold(): field.name for field in source.fields}
    columns = {
        field.name: (ColumnSource(namespace=source.namespace, dataset=source.name, field=name, subtype=_IDENTITY),)
        for field in target.fields
        if (name := spelled.get(field.name.casefold())) is not None
    }
    return OutputColumns(namespace=target.namespace, name=target.name, told_by="landing", columns=columns)


def with_columns(job: JobState, found: OutputColumns | None, key: str | None) -> JobState:
    """The job with what was found of its columns, beside what its producer says; nothing found is nothing known."""
    kept = (each for each in job.columns if each.told_by == "producer")
    columns = (*kept, *([found] if found is not None else []))
    return job.model_copy(update={"columns": columns if columns != job.columns else job.columns, "columns_key": key})


def to_be_read_again(job: JobState) -> JobState:
    """The job with what is known of the columns of its outputs, and its SQL still to be read."""
    outputs = {(each.namespace, each.name) for each in job.outputs}
    columns = tuple(each for each in job.columns if (each.namespace, each.name) in outputs)
    return job.model_copy(update={"columns": columns, "columns_key": None})


def _table(name: DatasetName, state: DatasetState | None) -> Table:
    if state is None:
        return Table(name.namespace, name.name)
    columns = tuple(field.name for field in state.fields)
    aliases = tuple(link.name for link in state.symlinks)
    return Table(name.namespace, name.name, columns, state.fields_complete and bool(columns), aliases)


def _sources(fields: Iterable[InputField]) -> Iterator[ColumnSource]:
    for each in fields:
        for how in each.transformations:
            yield ColumnSource(
                namespace=each.namespace,
                dataset=each.name,
                field=each.field,
                type=how.kind,
                subtype=how.subtype,
                masking=how.masking,
            )
