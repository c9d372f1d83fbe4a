"""The OpenLineage events of a run: one job for the product, one a dbt node, one a landed table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from floe_contracts.events import LandedTable
from floe_contracts.nodes import Check, Node, NodeGraph
from floe_contracts.openlineage import facets, naming
from floe_contracts.openlineage.events import EventType, run_event
from floe_contracts.runs import RunRecord
from floe_executor.core.node_reports import NodeBegan, NodeDone, NodeReport, NodeStatus

LineageEvent = dict[str, Any]
Columns = Sequence[tuple[str, str | None, str]]
"""Name, type and description of each column, in order."""


@dataclass(frozen=True, slots=True)
class RunLineage:
    """What every event of a run speaks of."""

    record: RunRecord
    graph: NodeGraph
    dbt_version: str
    description: str
    owner: str

    def of_run(self, event_type: EventType, at: datetime, *, error: str | None = None) -> LineageEvent:
        """An event of the whole run."""
        job_facets = {"jobType": facets.job_type("PRODUCT", "FLOE"), "ownership": facets.job_owners(self.owner)}
        if self.description:
            job_facets["documentation"] = facets.job_documentation(self.description)
        return run_event(
            event_type,
            time=at,
            place=self.record.place,
            job=self.record.product,
            run_id=self.record.run_id,
            run_facets=self._run_facets(error, parent=False),
            job_facets=job_facets,
        )

    def of_report(self, report: NodeReport) -> LineageEvent | None:
        """The event of a dbt node; None for a node that was skipped, which has no run."""
        if isinstance(report, NodeDone) and report.status is NodeStatus.SKIPPED:
            return None
        job = naming.node_job(self.record.place, report.unique_id)
        error = report.message if isinstance(report, NodeDone) and report.status is NodeStatus.FAILED else None
        inputs, outputs, job_facets = self._sides(report)
        return run_event(
            self._type(report),
            time=report.at,
            place=self.record.place,
            job=job,
            run_id=naming.node_run_id(self.record.run_id, self.record.attempt, job),
            run_facets=self._run_facets(error, parent=True),
            job_facets=job_facets,
            inputs=inputs,
            outputs=outputs,
        )

    def of_landing_start(self, identifier: str, unique_id: str, at: datetime) -> LineageEvent:
        """The event that tells that a table is about to be landed."""
        return self._landing("START", identifier, unique_id, at, [])

    def of_landing(self, table: LandedTable, columns: Columns, at: datetime) -> LineageEvent:
        """The event of a landed table: from the relation in the warehouse to the snapshot in Iceberg."""
        target = naming.iceberg_dataset(self.record.place, table.identifier)
        node = self.graph.node(table.unique_id)
        described = {"dataSource": facets.data_source(target[0]), "schema": facets.schema(columns)}
        described["version"] = facets.dataset_version(str(table.snapshot_id))
        if node:
            described |= facets.classification(node.columns)
        statistics = facets.output_statistics(rows=table.rows, size=table.bytes, files=table.files)
        output = facets.dataset(target, described, outputFacets={"outputStatistics": statistics})
        return self._landing("COMPLETE", table.identifier, table.unique_id, at, [output])

    def _landing(
        self, event_type: EventType, identifier: str, unique_id: str, at: datetime, outputs: list[Any]
    ) -> LineageEvent:
        job = naming.landing_job(self.record.place, identifier)
        node = self.graph.node(unique_id)
        return run_event(
            event_type,
            time=at,
            place=self.record.place,
            job=job,
            run_id=naming.node_run_id(self.record.run_id, self.record.attempt, job),
            run_facets=self._run_facets(None, parent=True),
            job_facets={"jobType": facets.job_type("LANDING", "FLOE")},
            inputs=[self._dataset(node)] if node else [],
            outputs=outputs,
        )

    def _run_facets(self, error: str | None, *, parent: bool) -> dict[str, facets.Facet]:
        found = {
            "processing_engine": facets.processing_engine(self.dbt_version),
            "floe_artifact": facets.artifact(self.record.artifact_digest, max(self.record.attempt, 1)),
        }
        if parent:
            found["parent"] = facets.parent(self.record.place, self.record.run_id)
        if error:
            found["errorMessage"] = facets.error_message(error)
        return found

    def _type(self, report: NodeReport) -> EventType:
        if isinstance(report, NodeBegan):
            return "START"
        return "FAIL" if report.status is NodeStatus.FAILED else "COMPLETE"

    def _sides(self, report: NodeReport) -> tuple[list[Any], list[Any], dict[str, facets.Facet]]:
        node = self.graph.node(report.unique_id)
        if node is None:
            return self._tested(report), [], {"jobType": facets.job_type("TEST")}
        job_facets = {"jobType": facets.job_type(node.resource_type.upper())}
        if node.raw_code:
            job_facets["sql"] = facets.sql(node.raw_code, "duckdb")
        if node.description:
            job_facets["documentation"] = facets.job_documentation(node.description)
        if node.owner:
            job_facets["ownership"] = facets.job_owners(node.owner)
        parents = (self.graph.node(unique_id) for unique_id in node.depends_on)
        return [self._dataset(parent) for parent in parents if parent], [self._dataset(node)], job_facets

    def _tested(self, report: NodeReport) -> list[Any]:
        """The datasets that a test reads, with its result once there is one."""
        found = [
            self._checked(node, check, report)
            for node in self.graph.nodes
            for check in node.checks
            if check.unique_id == report.unique_id
        ]
        if found:
            return found
        single = next((check for check in self.graph.checks if check.unique_id == report.unique_id), None)
        parents = (self.graph.node(unique_id) for unique_id in (single.depends_on if single else ()))
        return [self._checked(parent, single, report) for parent in parents if parent and single]

    def _checked(self, node: Node, check: Check, report: NodeReport) -> Any:
        dataset = self._dataset(node)
        if isinstance(report, NodeDone):
            success = report.status in {NodeStatus.SUCCESS, NodeStatus.WARNED}
            result = facets.assertions([(check.name, check.column, success)])
            dataset["inputFacets"] = {"dataQualityAssertions": result}
        return dataset

    def _dataset(self, node: Node) -> dict[str, Any]:
        name = naming.warehouse_dataset(self.record.place, node)
        return facets.dataset(name, facets.node_facets(node, name[0]))


def aborted(start: LineageEvent, at: datetime) -> LineageEvent:
    """The event that closes a START which a dead worker left open."""
    return closed(start, "ABORT", at)


def closed(start: LineageEvent, event_type: EventType, at: datetime, *, error: str | None = None) -> LineageEvent:
    """The event that closes a START, made from the START alone."""
    run = start["run"]
    if error:
        run = run | {"facets": run["facets"] | {"errorMessage": facets.error_message(error)}}
    time = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return start | {"eventType": event_type, "eventTime": time, "run": run}
