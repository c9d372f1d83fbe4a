"""What floe tells of a job beside its producer: what it found out of columns, and what they are because of that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from floe_contracts.lineage_states import ColumnSource, JobState, OutputColumns, Told
from floe_contracts.openlineage import dataset_facets, enrichment
from floe_contracts.openlineage.enrichment import COLUMN_LINEAGE, DERIVED, SCHEMA, TAGS
from floe_contracts.openlineage.events import job_event
from floe_contracts.openlineage.facet import Facet
from floe_lineage.core.graph.knowledge import Knowledge

NOTHING: Final = enrichment.digest_of_told({})
_EMPTY: Final[dict[str, Facet]] = {
    COLUMN_LINEAGE: dataset_facets.column_lineage({}),
    DERIVED: enrichment.derived_classification({}),
}


@dataclass(frozen=True, slots=True)
class Telling:
    """What is to be told.

    Attributes:
        event: the job event.
        digest: of what is found out; the same again is not told.
        id: of the message: names the finding, and what was told before it.
    """

    event: Mapping[str, Any]
    digest: str
    id: str


def telling(known: Knowledge, job: JobState, told: Told | None, now: str) -> Telling | None:
    """What is to be told of a job; None if that is what was told last.

    Args:
        known: what is known of the tenant.
        job: the job.
        told: what was told of it last.
        now: the time, ISO 8601.
    """
    found = {name: facets for output in job.columns if (facets := _found(known, output)) and (name := _name(output))}
    content = enrichment.told_facets({"outputs": [_dataset(name, facets) for name, facets in found.items()]})
    digest = enrichment.digest_of_told(content)
    if digest == (told.digest if told else NOTHING):
        return None
    before = {(each.namespace, each.name): each.facets for each in told.outputs} if told else {}
    outputs = []
    for name in sorted(found.keys() | before.keys()):
        facets = dict(found.get(name, {}))
        facets |= {
            key: enrichment.by_floe(_EMPTY[key]) | {"_deleted": True}
            for key in before.get(name, ())
            if key not in facets and key in _EMPTY
        }
        outputs.append(_dataset(name, _described(known, name) | facets))
    event = job_event(
        producer=enrichment.ENRICHED_BY,
        time=now,
        namespace=job.namespace,
        name=job.name,
        job_facets={enrichment.ENRICHED_RUN: enrichment.enriched_run(job.origin)} if job.origin else {},
        inputs=[_dataset((each.namespace, each.name), {}) for each in job.inputs],
        outputs=outputs,
    )
    return Telling(event, digest, f"enriched:{job.id}:{digest}:{told.sequence if told else 0}")


def _name(output: OutputColumns) -> tuple[str, str]:
    return output.namespace, output.name


def _dataset(name: tuple[str, str], facets: Mapping[str, Facet]) -> dict[str, Any]:
    return dataset_facets.dataset(name, facets)


def _found(known: Knowledge, output: OutputColumns) -> dict[str, Facet]:
    """What was found out of an output: nothing that the producer says itself.

    Where the making of some columns could not be told, one without sources may be made of something all the same.
    """
    facets: dict[str, Facet] = {}
    columns = {column: made_of for column, made_of in sorted(output.columns.items()) if made_of or not output.partial}
    if output.told_by != "producer" and (columns or output.whole):
        fields = {column: _input_fields(made_of) for column, made_of in columns.items()}
        facets[COLUMN_LINEAGE] = enrichment.by_floe(
            dataset_facets.column_lineage(fields, whole=_input_fields(output.whole))
        )
    if derived := known.derived(_name(output)):
        facets[DERIVED] = enrichment.derived_classification(derived)
    return facets


def _described(known: Knowledge, name: tuple[str, str]) -> dict[str, Facet]:
    """What is known of a dataset anyway, so that the event says all of it: its columns, and what they are."""
    state = known.dataset(name)
    if state is None:
        return {}
    facets = {}
    if state.fields:
        columns = ((field.name, field.type, "") for field in state.fields)
        facets[SCHEMA] = enrichment.by_floe(dataset_facets.schema(columns, ordered=state.fields_complete))
    derived = known.derived(name)
    if state.declarations or derived:
        facets[TAGS] = enrichment.tags(state.declared, derived)
    return facets


def _input_fields(sources: Iterable[ColumnSource]) -> list[Facet]:
    grouped: dict[tuple[str, str, str], list[Facet]] = {}
    for source in sorted(sources, key=repr):
        how = dataset_facets.transformation(source.type, source.subtype or "", masking=source.masking)
        grouped.setdefault((source.namespace, source.dataset, source.field), []).append(how)
    return [
        dataset_facets.input_field((namespace, dataset), field, *ways)
        for (namespace, dataset, field), ways in grouped.items()
    ]
