"""What a build reports, as events of its Dagster run."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import dagster
from dagster import DagsterEventType
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)
from dagster._core.events import DagsterEvent, StepMaterializationData
from dagster._core.events.log import EventLogEntry

from floe_executor.adapters.dagster_graph.assets import ROWS, SCHEMA, ProductAssets, column_schema
from floe_executor.adapters.dagster_graph.bulk_events import store_events
from floe_executor.adapters.dagster_graph.jobs import step_name
from floe_executor.core.node_reports import NodeDone, NodeReport, NodeStatus

_FLUSH_SECONDS: Final = 0.5
_FLUSH_EVENTS: Final = 250


class RunRecording:
    """Writes down what was built in a run: at once, but not one by one."""

    def __init__(
        self,
        instance: dagster.DagsterInstance,
        run: dagster.DagsterRun,
        shown: ProductAssets,
        facts: Mapping[str, str],
        partition: str | None,
    ) -> None:
        """Begin.

        Args:
            instance: where it is written.
            run: the Dagster run.
            shown: the product's assets.
            facts: metadata of all that the run builds.
            partition: the part of the product that it builds.
        """
        self._instance = instance
        self._run = run
        self._shown = shown
        self._facts = {name: dagster.MetadataValue.text(value) for name, value in facts.items()}
        self._partition = partition
        self._waiting: list[NodeDone] = []
        self._since = 0.0
        self._built: dict[dagster.AssetKey, AssetCheckEvaluationTargetMaterializationData] = {}

    @property
    def patience(self) -> float | None:
        """Seconds until what waits should be written; None if nothing does."""
        return max(0.0, self._since + _FLUSH_SECONDS - time.monotonic()) if self._waiting else None

    def add(self, report: NodeReport) -> None:
        """Take a report."""
        if not isinstance(report, NodeDone) or report.status is NodeStatus.SKIPPED:
            return
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.append(report)
        if len(self._waiting) >= _FLUSH_EVENTS or self.patience == 0.0:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        reports, self._waiting = self._waiting, []
        made = [entry for report in reports if (entry := self._materialization(report)) is not None]
        for entry, event_id in zip(made, store_events(self._instance, made), strict=True):
            if event_id is not None and (key := entry.get_dagster_event().asset_key) is not None:
                self._built[key] = AssetCheckEvaluationTargetMaterializationData(
                    storage_id=event_id, run_id=self._run.run_id, timestamp=entry.timestamp
                )
        store_events(self._instance, [entry for one in reports if (entry := self._evaluation(one)) is not None])
        for report in reports:
            if report.status is NodeStatus.FAILED:
                self._instance.handle_new_event(self._failure(report))

    def _materialization(self, report: NodeDone) -> EventLogEntry | None:
        key = self._shown.keys.get(report.unique_id)
        if key is None or report.status is NodeStatus.FAILED:
            return None
        built = dagster.AssetMaterialization(
            key, metadata=dict(self._materialization_metadata(report)), partition=self._partition
        )
        return self._entry(
            report, DagsterEventType.ASSET_MATERIALIZATION, StepMaterializationData(built), "Materialized value."
        )

    def _materialization_metadata(self, report: NodeDone) -> Iterator[tuple[str, Any]]:
        yield from self._facts.items()
        yield "floe/seconds", dagster.MetadataValue.float(report.seconds)
        if report.rows is not None:
            yield ROWS, dagster.MetadataValue.int(report.rows)
        if report.columns:
            schema = column_schema(self._shown.columns[report.unique_id], report.columns)
            yield SCHEMA, dagster.MetadataValue.table_schema(schema)

    def _evaluation(self, report: NodeDone) -> EventLogEntry | None:
        check = self._shown.checks.get(report.unique_id)
        if check is None:
            return None
        metadata: dict[str, Any] = {**self._facts, "floe/seconds": dagster.MetadataValue.float(report.seconds)}
        if report.failures is not None:
            metadata["floe/failures"] = dagster.MetadataValue.int(report.failures)
        warned = report.status is NodeStatus.WARNED
        evaluation = dagster.AssetCheckEvaluation(
            asset_key=check.asset_key,
            check_name=check.name,
            passed=report.status is NodeStatus.SUCCESS,
            metadata=metadata,
            severity=dagster.AssetCheckSeverity.WARN if warned else dagster.AssetCheckSeverity.ERROR,
            description=report.message,
            target_materialization_data=self._built.get(check.asset_key),
        )
        said = f"Asset check '{check.name}' on '{check.asset_key.to_user_string()}' "
        said += "passed." if evaluation.passed else "warned." if warned else "did not pass."
        return self._entry(report, DagsterEventType.ASSET_CHECK_EVALUATION, evaluation, said)

    def _failure(self, report: NodeDone) -> EventLogEntry:
        return EventLogEntry(  # type: ignore[no-untyped-call]
            error_info=None,
            level=logging.ERROR,
            user_message=f"{report.unique_id}: {report.message or 'failed'}",
            run_id=self._run.run_id,
            timestamp=report.at.timestamp(),
            step_key=step_name(self._run.job_name),
            job_name=self._run.job_name,
        )

    def _entry(self, report: NodeDone, kind: DagsterEventType, data: Any, said: str) -> EventLogEntry:
        step = step_name(self._run.job_name)
        return EventLogEntry(  # type: ignore[no-untyped-call]
            error_info=None,
            level=logging.DEBUG,
            user_message="",
            run_id=self._run.run_id,
            timestamp=report.at.timestamp(),
            step_key=step,
            job_name=self._run.job_name,
            dagster_event=DagsterEvent(
                event_type_value=kind.value,
                job_name=self._run.job_name,
                step_key=step,
                event_specific_data=data,
                message=said,
            ),
        )
