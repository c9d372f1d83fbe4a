"""The facets of a run that floe writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from floe_contracts.openlineage.facet import Facet, facet, official, own
from floe_contracts.openlineage.naming import Place, job_namespace

_PARENT: Final = official("1-2-0", "ParentRunFacet")
_ENGINE: Final = official("1-1-1", "ProcessingEngineRunFacet")
_NOMINAL_TIME: Final = official("1-0-1", "NominalTimeRunFacet")
_ERROR: Final = official("1-0-1", "ErrorMessageRunFacet")
_PARAMETERS: Final = official("1-0-0", "ExecutionParametersRunFacet")
_DEPENDENCIES: Final = official("1-0-1", "JobDependenciesRunFacet")
_QUERY: Final = official("1-0-2", "ExternalQueryRunFacet")
_TEST: Final = official("1-0-1", "TestRunFacet")
_ARTIFACT: Final = own("1-0-0", "FloeArtifactRunFacet")
_TRACE: Final = own("1-0-0", "FloeTraceRunFacet")


@dataclass(frozen=True, slots=True)
class RunReference:
    """A run of a product that another run speaks of."""

    place: Place
    run_id: str


def parent(run: RunReference, root: RunReference | None = None) -> Facet:
    """The run that a run belongs to or was started by, and the one that all of it began with."""
    return facet(_PARENT, **_reference(run), root=_reference(root or run))


def processing_engine(name: str, version: str, adapter_version: str | None = None) -> Facet:
    """What did the work, as in dbt, and its version. DataHub refuses events without it."""
    return facet(_ENGINE, name=name, version=version, openlineageAdapterVersion=adapter_version)


def nominal_time(start: str, end: str | None = None) -> Facet:
    """The tick of a schedule or the window [start, end) of a partition, in ISO 8601 with an offset."""
    return facet(_NOMINAL_TIME, nominalStartTime=start, nominalEndTime=end)


def error_message(message: str, language: str = "SQL") -> Facet:
    """Why a run failed, and in what the failing code is written."""
    return facet(_ERROR, message=message, programmingLanguage=language)


def external_query(query: str, warehouse: str) -> Facet:
    """The id by which a warehouse knows the query that was run, and which warehouse that is, as in bigquery."""
    return facet(_QUERY, externalQueryId=query, source=warehouse)


def execution_parameters(parameters: Iterable[tuple[str, str]]) -> Facet:
    """What the run was asked to do: key and value of each parameter."""
    return facet(_PARAMETERS, parameters=[{"key": key, "value": value} for key, value in parameters])


def dependency(namespace: str, job: str, run: str, kind: Literal["DIRECT_INVOCATION", "IMPLICIT_DEPENDENCY"]) -> Facet:
    """A run of another job that had to succeed first: one that asked for this one, or one whose data this one reads."""
    return {
        "job": {"namespace": namespace, "name": job},
        "run": {"runId": run},
        "dependency_type": kind,
        "sequence_trigger_rule": "FINISH_TO_START",
        "status_trigger_rule": "EXECUTE_ON_SUCCESS",
    }


def job_dependencies(upstream: Iterable[Mapping[str, Any]]) -> Facet:
    """The runs that had to succeed before this one (`dependency`)."""
    return facet(_DEPENDENCIES, upstream=list(upstream))


def test_result(
    name: str, *, passed: bool, kind: str, severity: str | None, actual: int | None, column: str | None
) -> Facet:
    """What a test has come to.

    Args:
        name: of the test.
        passed: whether it found nothing; also of one that only warns.
        kind: unique, not_null, ...
        severity: error or warn, where that is known.
        actual: rows that it found.
        column: that it looked at.
    """
    told = {
        "severity": severity,
        "type": kind,
        "actual": None if actual is None else str(actual),
        "params": {"column": column} if column else None,
    }
    given = {key: value for key, value in told.items() if value is not None}
    return facet(_TEST, tests=[{"name": name, "status": "pass" if passed else "fail"} | given])


def artifact(digest: str, attempt: int) -> Facet:
    """The artifact that was run."""
    return facet(_ARTIFACT, digest=digest, attempt=attempt)


def trace(trace_id: str, span_id: str) -> Facet:
    """The span that the run is in OpenTelemetry, both ids in hex digits."""
    return facet(_TRACE, traceId=trace_id, spanId=span_id)


def _reference(run: RunReference) -> Facet:
    job = {"namespace": job_namespace(run.place), "name": run.place.product}
    return {"run": {"runId": run.run_id}, "job": job}
