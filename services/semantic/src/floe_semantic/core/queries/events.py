"""A query as OpenLineage events: how it started, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from floe_contracts.openlineage import dataset_facets, job_facets, query_facets, run_facets
from floe_contracts.openlineage.events import EventType, run_event
from floe_contracts.openlineage.facet import Facet
from floe_contracts.openlineage.naming import query_job, query_result, query_run_id
from floe_contracts.openlineage.query_facets import QUERIED, QueryTold, by_semantic
from floe_semantic.core.queries.job_names import OTHER
from floe_semantic.core.queries.shapes import described, named_members
from floe_semantic.core.queries.uses import ServedBundle, Uses, uses_of
from floe_semantic.core.queries.windows import Query, Telling

_UNKNOWN_VERSION: Final = "unknown"
_NOTHING: Final = Uses((), {}, ())
_LONGEST_SQL: Final = 30_000


def query_events(telling: Telling, bundle: ServedBundle | None) -> tuple[dict[str, Any], ...]:
    """START, and COMPLETE, FAIL or ABORT of a query.

    Args:
        telling: the query, and those that it stands for.
        bundle: what it was served with; None if that is not known, and so neither are the tables.
    """
    query, record = telling.query, telling.query.record
    uses = uses_of(record, bundle) if bundle is not None and not record.denied else _NOTHING
    inputs = [dataset_facets.dataset(name, {}) for name in uses.relations]
    ended = _outcome(query)
    outputs = [_answer(query, uses)] if ended == "COMPLETE" and uses.fields else []
    facets = _run_facets(telling, bundle)
    told = by_semantic([("errorMessage", _error(query, ended))])
    job = _job_facets(query, bundle)
    ran = by_semantic([("sql", _sql(query, bundle))])
    return (
        _event("START", record.started_at, query, facets, job, inputs, ()),
        _event(ended, record.ended_at, query, facets | told, job | ran, inputs, outputs),
    )


def _event(
    event_type: EventType,
    time: datetime,
    query: Query,
    facets: Mapping[str, Facet],
    job: Mapping[str, Facet],
    inputs: Any,
    outputs: Any,
) -> dict[str, Any]:
    record = query.record
    name = _job(query)
    return run_event(
        event_type,
        time=time,
        place=query.place,
        job=name,
        run_id=query_run_id(query.place, query.instance, record.request, record.started_at, query.digest),
        run_facets=facets,
        job_facets=job,
        inputs=inputs,
        outputs=outputs,
        producer=QUERIED,
    )


def _job(query: Query) -> str:
    return query_job(query.place, query.served, query.named)


def _outcome(query: Query) -> EventType:
    """What was denied has read nothing, whatever Cube answered."""
    record = query.record
    if record.kind in ("abandoned", "started"):
        return "ABORT"
    return "FAIL" if record.kind == "failed" or record.denied else "COMPLETE"


def _error(query: Query, ended: EventType) -> Facet | None:
    record = query.record
    if record.denied:
        message = f"access policies deny {', '.join(record.denied)}"
    elif ended == "ABORT":
        message = "nobody asked for its rows" if record.kind == "abandoned" else "nothing was heard of its end"
    elif ended == "FAIL":
        message = record.error or "Cube does not say why"
    else:
        return None
    return run_facets.error_message(message)


def _run_facets(telling: Telling, bundle: ServedBundle | None) -> dict[str, Facet]:
    query, record = telling.query, telling.query.record
    members = record.members or tuple(sorted(named_members(record.queries)))
    told = QueryTold(
        api=record.api,
        instance=query.instance,
        bundle_digest=record.bundle_digest,
        artifact_digest=bundle.artifact_digest if bundle else None,
        members=members,
        masked=tuple(sorted(record.masked)),
        denied=tuple(sorted(record.denied)),
        cached=record.cached,
        pre_aggregations=tuple(sorted(record.pre_aggregations)),
        user=record.user,
        row_owners=record.row_owners,
        alike=telling.alike,
    )
    engine = run_facets.processing_engine("cube", query.cube_version or _UNKNOWN_VERSION)
    return by_semantic([("processing_engine", engine), (query_facets.QUERY, query_facets.query(told))])


def _job_facets(query: Query, bundle: ServedBundle | None) -> dict[str, Facet]:
    asked = (bundle.views.get(query.served) or bundle.cubes.get(query.served)) if bundle else None
    return by_semantic(
        [
            ("jobType", job_facets.job_type("QUERY", "CUBE")),
            ("documentation", job_facets.documentation(_told_as(query))),
            ("ownership", job_facets.owners(asked.owner) if asked and asked.owner else None),
        ]
    )


def _told_as(query: Query) -> str:
    """What the job is: a query in words, or what several have in common."""
    if query.named == query.digest:
        return described(query.record.queries)
    if query.named == OTHER:
        return f"Cube: queries of {query.served} beyond those that have a job of their own"
    return "Cube: queries that were refused before they were looked at"


def _sql(query: Query, bundle: ServedBundle | None) -> Facet | None:
    """What the warehouse ran; with the end alone, as it is the largest part."""
    text = ";\n".join(query.record.sql)
    return job_facets.sql(text, bundle.dialect) if text and bundle and len(text) <= _LONGEST_SQL else None


def _answer(query: Query, uses: Uses) -> dict[str, Any]:
    """The rows that the query answers with: a dataset that is nowhere stored."""
    name = query_result(query.place, _job(query))
    described_as = [
        ("dataSource", dataset_facets.data_source(name[0])),
        ("datasetType", dataset_facets.dataset_type("VIEW", "QUERY_RESULT")),
        ("schema", dataset_facets.schema((member, None, "") for member in uses.fields)),
        ("columnLineage", dataset_facets.column_lineage(uses.fields, uses.whole)),
    ]
    return dataset_facets.dataset(name, by_semantic(described_as))
