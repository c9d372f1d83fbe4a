"""What a run has landed, as observations of its assets: they follow the materialisations, with the snapshot."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence

import dagster
from dagster import DagsterEventType
from dagster._core.events import AssetObservationData, DagsterEvent
from dagster._core.events.log import EventLogEntry

from floe_contracts.events import LandedTable
from floe_executor.adapters.dagster_graph.assets import ROWS, ProductAssets
from floe_executor.adapters.dagster_graph.jobs import step_name


def landed_events(
    run: dagster.DagsterRun,
    shown: ProductAssets,
    facts: Mapping[str, str],
    tables: Sequence[LandedTable],
    partition: str | None,
) -> list[EventLogEntry]:
    """An observation for each landed table that the product's assets know, for the log of the run that built it."""
    made = []
    for table in tables:
        key = shown.keys.get(table.unique_id)
        if key is None:
            continue
        metadata: dict[str, str | int] = {
            **facts,
            "floe/table": table.identifier,
            # As a text: the UI reads numbers as doubles, and a snapshot's id is longer than these are exact.
            "floe/snapshot": str(table.snapshot_id),
            "floe/bytes": table.bytes,
            ROWS: table.rows,
        }
        observed = dagster.AssetObservation(key, metadata=metadata, partition=partition)
        made.append(_entry(run, observed, table))
    return made


def _entry(run: dagster.DagsterRun, observed: dagster.AssetObservation, table: LandedTable) -> EventLogEntry:
    step = step_name(run.job_name)
    return EventLogEntry(  # type: ignore[no-untyped-call]
        error_info=None,
        level=logging.DEBUG,
        user_message="",
        run_id=run.run_id,
        timestamp=time.time(),
        step_key=step,
        job_name=run.job_name,
        dagster_event=DagsterEvent(
            event_type_value=DagsterEventType.ASSET_OBSERVATION.value,
            job_name=run.job_name,
            step_key=step,
            event_specific_data=AssetObservationData(observed),
            message=f"Landed as {table.identifier}, snapshot {table.snapshot_id}.",
        ),
    )
