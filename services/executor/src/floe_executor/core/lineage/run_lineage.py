"""The events of one attempt of a run: the job of the product, those of its nodes, those of its landings."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Any, Final, TypeAlias

from floe_contracts.artifacts import CompiledArtifacts, CompiledEnvironment
from floe_contracts.nodes import Check, Node, NodeGraph
from floe_contracts.openlineage import dataset_facets, naming, run_facets
from floe_contracts.openlineage.events import PRODUCER, EventType, event_time, job_event, run_event
from floe_contracts.openlineage.facet import Facet
from floe_contracts.openlineage.run_facets import RunReference
from floe_contracts.runs import RunRecord
from floe_executor.core.landed_table import Landed
from floe_executor.core.lineage.closing import LineageEvent
from floe_executor.core.lineage.datasets import Dataset, Datasets
from floe_executor.core.lineage.dependencies import Dependencies
from floe_executor.core.lineage.jobs import Jobs
from floe_executor.core.lineage.parameters import parameters
from floe_executor.core.node_reports import LONGEST_MESSAGE, NodeDone, NodeReport, NodeStatus

SpanIds: TypeAlias = tuple[str, str]
"""Trace id and span id in hex digits."""
Window: TypeAlias = tuple[datetime, datetime]
"""What a partition covers: from the first on, up to the second."""

_FLOE: Final = version("floe-executor")
_PYTHON: Final = ".".join(str(part) for part in sys.version_info[:3])
_UNIT_TEST: Final = "unit_test."


class RunLineage:
    """Makes the events of one attempt; it remembers what they share, and what dbt finds out about tables.

    Attributes:
        record: of the run.
        observability: what of it is to be told at all.
    """

    def __init__(
        self,
        record: RunRecord,
        artifact: CompiledArtifacts,
        environment: CompiledEnvironment,
        graph: NodeGraph,
        *,
        window: Window | None = None,
        root: RunReference | None = None,
    ) -> None:
        """Begin with the attempt that the record counts.

        Args:
            record: of the run.
            artifact: what is run.
            environment: where.
            graph: all nodes, those of Python transforms among them.
            window: of the run's partition, where that is a time.
            root: the run of another product that the chain of runs began with; None where this one did.
        """
        self.record = record
        self.observability = artifact.observability
        self._place = record.place
        self._exposures = graph.exposures
        self._datasets = Datasets(record.place, graph, environment)
        project = artifact.transforms[0].path if artifact.transforms else "."
        self._jobs = Jobs(artifact.product, project, graph.project, record.source, self._datasets)
        own = RunReference(record.place, record.run_id)
        caused = _cause(record)
        self._python_engine = run_facets.processing_engine("python", _PYTHON, _FLOE)
        self._landing_engine = run_facets.processing_engine("floe", _FLOE, _FLOE)
        shared: dict[str, Facet] = {
            "processing_engine": run_facets.processing_engine("dbt", artifact.tools.dbt_core, _FLOE),
            "floe_artifact": run_facets.artifact(record.artifact_digest, max(record.attempt, 1)),
        }
        if nominal := _nominal_time(record, window):
            shared["nominalTime"] = nominal
        self._part_facets = shared | {"parent": run_facets.parent(own, root or caused)}
        self._run_facets = shared | {"executionParameters": run_facets.execution_parameters(parameters(record))}
        self._dependencies = Dependencies(record.place)
        if caused:
            self._run_facets["parent"] = run_facets.parent(caused, root)
            self._run_facets["jobDependencies"] = self._dependencies.of_cause(caused)

    def node(self, unique_id: str) -> tuple[Node | None, str]:
        """The node of that id, and the type of the warehouse that it or the node that it tests is built in."""
        node = self._datasets.node(unique_id)
        return node, self._datasets.warehouse(node or self._datasets.about(unique_id))

    def of_run(
        self, event_type: EventType, at: datetime, *, error: str | None = None, span: SpanIds | None = None
    ) -> LineageEvent:
        """An event of the whole run."""
        return run_event(
            event_type,
            time=at,
            place=self.record.place,
            job=self.record.product,
            run_id=self.record.run_id,
            run_facets=_with(self._run_facets, error, span),
            job_facets=self._jobs.product(),
        )

    def of_exposures(self, at: datetime) -> list[LineageEvent]:
        """Who reads the tables outside of runs, as the project says: one event each, of a job that nobody runs here."""
        return [
            job_event(
                producer=PRODUCER,
                time=event_time(at),
                namespace=naming.job_namespace(self._place),
                name=naming.node_job(self._place, exposure.unique_id),
                job_facets=self._jobs.exposure(exposure),
                inputs=self._datasets.names(exposure.depends_on),
            )
            for exposure in self._exposures
        ]

    def of_report(self, report: NodeReport, *, span: SpanIds | None = None) -> LineageEvent | None:
        """The event of a node; None for a node that was skipped, which has no run."""
        done = report if isinstance(report, NodeDone) else None
        if done and done.status is NodeStatus.SKIPPED:
            return None
        failed = done is not None and done.status is NodeStatus.FAILED
        node = self._datasets.node(report.unique_id)
        if done:
            self._datasets.learn(done.unique_id, done.columns, done.rows)
        python = report.unique_id.startswith("python")
        place = self._place
        job = naming.node_job(place, report.unique_id)
        run = naming.node_run_id(self.record.run_id, self.record.attempt, job)
        if node and done and not failed:
            self._dependencies.succeeded(node, job, run)
        shared = self._part_facets | self._own_facets(job, node, report)
        if python:
            shared["processing_engine"] = self._python_engine
        if done and done.query:
            _, warehouse = self.node(done.unique_id)
            shared["externalQuery"] = run_facets.external_query(done.query, warehouse)
        error = (done.message or "failed") if done and failed else None
        inputs, outputs = self._tested(report) if node is None else self._built(node, done)
        return run_event(
            "START" if done is None else "FAIL" if failed else "COMPLETE",
            time=report.at,
            place=place,
            job=job,
            run_id=run,
            run_facets=_with(shared, error, span, "PYTHON" if python else "SQL"),
            job_facets=self._jobs.node(report.unique_id, done.compiled_code if done else None, ended=done is not None),
            inputs=inputs,
            outputs=outputs,
        )

    def of_landing_start(
        self, identifier: str, unique_id: str, at: datetime, *, span: SpanIds | None = None
    ) -> LineageEvent:
        """The event that tells that a table is about to be landed."""
        return self._landing(identifier, unique_id, at, span)

    def of_landing(
        self, landed: Landed, at: datetime, *, location: str | None = None, span: SpanIds | None = None
    ) -> LineageEvent:
        """The event of a landed table: from the relation in the warehouse to the snapshot in Iceberg.

        Args:
            landed: the table.
            at: when.
            location: URI of the table's folder.
            span: of the landing.
        """
        table = landed.table
        return self._landing(table.identifier, table.unique_id, at, span, landed, location)

    def _landing(
        self,
        identifier: str,
        unique_id: str,
        at: datetime,
        span: SpanIds | None,
        landed: Landed | None = None,
        location: str | None = None,
    ) -> LineageEvent:
        job = naming.landing_job(self.record.place, identifier)
        node = self._datasets.node(unique_id)
        waited = self._dependencies.of(job, [node] if node else [])
        shared = self._part_facets | waited | {"processing_engine": self._landing_engine}
        return run_event(
            "COMPLETE" if landed else "START",
            time=at,
            place=self.record.place,
            job=job,
            run_id=naming.node_run_id(self.record.run_id, self.record.attempt, job),
            run_facets=_with(shared, None, span),
            job_facets=self._jobs.landing(node),
            inputs=[self._datasets.read_by_landing(node, landed)] if node else [],
            outputs=[self._datasets.landed(landed, location=location)] if landed else [],
        )

    def _built(self, node: Node, done: NodeDone | None) -> tuple[list[Dataset], list[Dataset]]:
        inputs = self._datasets.inputs(node)
        if done is None or done.status is NodeStatus.FAILED:
            return inputs, [self._datasets.of_node(node)]
        full_refresh = self.record.options.full_refresh
        return inputs, [self._datasets.output(node, full_refresh=full_refresh, rows=done.rows)]

    def _own_facets(self, job: str, node: Node | None, report: NodeReport) -> dict[str, Facet]:
        """What had to succeed before, and what a test has come to."""
        if node is not None:
            return self._dependencies.of(job, self._datasets.parents(node))
        check, about, others = self._datasets.tested(report.unique_id)
        found = self._dependencies.of(job, (*about, *others))
        if check and isinstance(report, NodeDone) and _was_made(report):
            return found | {"test": _test_result(check, report)}
        return found

    def _tested(self, report: NodeReport) -> tuple[list[Dataset], list[Dataset]]:
        """The datasets that a test reads, with its result once there is one; a unit test reads rows of its own."""
        if report.unique_id.startswith(_UNIT_TEST):
            return [], []
        check, about, others = self._datasets.tested(report.unique_id)
        tested = [self._checked(node, check, report) for node in about] if check else []
        return [*tested, *(self._datasets.of_node(node) for node in others)], []

    def _checked(self, node: Node, check: Check, report: NodeReport) -> Dataset:
        dataset = self._datasets.of_node(node)
        if not isinstance(report, NodeDone):
            return dataset
        sided: dict[str, Facet] = {}
        if _was_made(report):
            sided["dataQualityAssertions"] = dataset_facets.assertions([_assertion(check, report)])
        certain = check.name == "not_null" and check.column is not None and report.status is NodeStatus.SUCCESS
        rows = self._datasets.rows(node.unique_id)
        if rows is not None or certain:
            nulls = {check.column: 0} if certain and check.column else {}
            sided["dataQualityMetrics"] = dataset_facets.quality_metrics(rows=rows, null_counts=nulls)
        return dataset | {"inputFacets": sided} if sided else dataset


def _cause(record: RunRecord) -> RunReference | None:
    """The run of another product that led to this one."""
    if record.caused_by is None or not record.chain:
        return None
    place = record.place
    return RunReference(naming.Place(place.tenant, place.environment, record.chain[-1]), record.caused_by)


def _nominal_time(record: RunRecord, window: Window | None) -> Facet | None:
    if window is not None:
        return run_facets.nominal_time(window[0].isoformat(), window[1].isoformat())
    return run_facets.nominal_time(record.nominal_time) if record.nominal_time else None


def _with(
    shared: Mapping[str, Facet], error: str | None, span: SpanIds | None, language: str = "SQL"
) -> dict[str, Facet]:
    found = dict(shared)
    if error:
        found["errorMessage"] = run_facets.error_message(error[:LONGEST_MESSAGE], language)
    if span:
        found["floe_trace"] = run_facets.trace(*span)
    return found


def _was_made(report: NodeDone) -> bool:
    """Whether a test has a result; one that failed without finding rows could not be made at all."""
    return report.status is not NodeStatus.FAILED or bool(report.failures)


def _assertion(check: Check, report: NodeDone) -> dict[str, Any]:
    """The result of a test; one that only warns has found something all the same."""
    return dataset_facets.assertion(
        check.name,
        success=report.status is NodeStatus.SUCCESS,
        name=_name(check),
        column=check.column,
        severity=_severity(report),
        actual=report.failures,
    )


def _test_result(check: Check, report: NodeDone) -> Facet:
    """The same for readers that look for it at the run; a unit test has no dataset that could carry it."""
    return run_facets.test_result(
        _name(check),
        passed=report.status is NodeStatus.SUCCESS,
        kind=_UNIT_TEST.removesuffix(".") if check.unique_id.startswith(_UNIT_TEST) else check.name,
        severity=_severity(report),
        actual=report.failures,
        column=check.column,
    )


def _severity(report: NodeDone) -> str | None:
    if report.status is NodeStatus.SUCCESS:
        return None
    return "warn" if report.status is NodeStatus.WARNED else "error"


def _name(check: Check) -> str:
    """What the project calls a test; dbt's id of a data test ends in a hash, those of others in the name."""
    parts = check.unique_id.split(".")
    return parts[-1] if parts[0] in {"python_test", "unit_test"} else parts[2] if len(parts) > 2 else check.name
