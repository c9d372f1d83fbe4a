"""What leaves a run while it works: events of its nodes, OpenLineage of everything, spans and metrics.

Nothing of it waits for an endpoint: messages go to the bus, or to the spool until the bus is there; spans and metrics
are exported by threads of their own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import structlog
from opentelemetry import trace
from opentelemetry.trace import Span

from floe_chassis import run_telemetry_names as names
from floe_chassis.bus import Bus
from floe_chassis.bus_telemetry import current_traceparent, sender_context
from floe_chassis.errors import MessageTooLarge
from floe_chassis.spool import Outgoing, Spool
from floe_contracts.cloudevents import MESSAGE_ID, Attributes, encode
from floe_contracts.compiled_product import CompiledObservability
from floe_contracts.errors import FloeError
from floe_contracts.events import NodeEvent
from floe_contracts.runs import RunRecord
from floe_executor.adapters.open_lineage import (
    lineage_of,
    open_starts,
    outgoing_exposure,
    outgoing_lineage,
    own_events,
)
from floe_executor.clock import now
from floe_executor.core.landed_table import Landed
from floe_executor.core.lineage import EventType, LineageEvent, RunLineage, aborted, closed
from floe_executor.core.lineage.closing import smaller
from floe_executor.core.node_reports import NodeDone, NodeReport, NodeStatus, event_of
from floe_executor.runs.run_telemetry import (
    RunTelemetry,
    failed,
    lineage_attributes,
    nanoseconds,
    node_attributes,
    run_attributes,
    span_ids,
)

log = structlog.get_logger(__name__)


class RunTelling:
    """Tells what happens in one attempt of a run.

    Attributes:
        lineage_events: how many lineage events were told, with those of earlier attempts that the record counts.
    """

    def __init__(self, bus: Bus, spool: Spool, telemetry: RunTelemetry, record: RunRecord) -> None:
        self.lineage_events = 0
        self._bus = bus
        self._spool = spool
        self._telemetry = telemetry
        self._record = record
        self._facts: RunLineage | None = None
        self._lineage: RunLineage | None = None
        self._wanted = CompiledObservability()
        self._told: set[str] = set()
        self._open: dict[str, LineageEvent] = {}
        self._span: Span = trace.INVALID_SPAN
        self._spans: dict[str, Span] = {}

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """An attempt. One that breaks off, because its worker stops or lost its lease, closes what it left open."""
        try:
            yield
        except BaseException:
            with suppress(FloeError):  # then whoever comes next finds it open
                for start in list(self._open.values()):
                    await self.put(aborted(start, now()))
            raise
        finally:
            self._end_spans("interrupted")

    async def run_began(self, lineage: RunLineage, *, again: bool) -> None:
        """Tell that the run began, unless an earlier attempt has told it; what that one left open is closed."""
        self._wanted = lineage.observability
        self._facts = lineage
        self._lineage = lineage if self._wanted.lineage else None
        if self._wanted.traces:
            attributes = run_attributes(self._record, self._wanted.attributes)
            parent = sender_context({"traceparent": self._record.traceparent or ""})
            self._span = self._telemetry.tracer.start_span(names.RUN, context=parent, attributes=attributes)
        if self._wanted.metrics:
            self._telemetry.attempt_began(self._record)
        if again:
            await self.close_open()
        if self._lineage and (not again or not await own_events(self._bus, self._record)):
            await self.put(self._lineage.of_run("START", now(), span=span_ids(self._span)))
            for exposure in self._lineage.of_exposures(now()):
                await self._spool.put(outgoing_exposure(self._record, exposure))

    async def node(self, report: NodeReport) -> None:
        """Tell what dbt reports of a node."""
        span = self._node_span(report)
        with trace.use_span(span):
            await self._put_event(event_of(report, self._record))
            event = self._lineage.of_report(report, span=span_ids(span)) if self._lineage else None
            if event is not None:
                span.set_attributes(lineage_attributes(event))
                await self.put(event)
        if isinstance(report, NodeDone):
            self._end_node(span, report)

    async def landing_began(self, identifier: str, unique_id: str) -> None:
        """Tell that a table is about to be landed."""
        span = self._child(names.LANDING, now(), {names.NODE_ID: unique_id, names.DB_COLLECTION: identifier})
        self._spans[identifier] = span
        if self._lineage:
            event = self._lineage.of_landing_start(identifier, unique_id, now(), span=span_ids(span))
            span.set_attributes(lineage_attributes(event))
            with trace.use_span(span):
                await self.put(event)

    async def landing_ended(self, landed: Landed, *, location: str | None = None) -> None:
        """Tell that a table has landed, in the folder with the URI `location`."""
        table = landed.table
        span = self._spans.pop(table.identifier, trace.INVALID_SPAN)
        span.set_attributes({names.ROWS: table.rows, names.BYTES: table.bytes, names.SNAPSHOT: str(table.snapshot_id)})
        if self._wanted.metrics:
            self._telemetry.landed(self._record, table)
        if self._lineage:
            event = self._lineage.of_landing(landed, now(), location=location, span=span_ids(span))
            with trace.use_span(span):
                await self.put(event)
        span.end()

    async def close_open(self) -> None:
        """Close by ABORT what this attempt or an earlier one left open, of nodes and landings.

        Raises:
            Unreachable: the bus does not answer.
        """
        if self._lineage is None:
            return
        await self._spool.settled(self._bus.settings.publish_budget)
        for start in await open_starts(self._bus, self._record):
            await self.put(aborted(start, now()))

    async def run_ended(self, event_type: EventType, *, error: str | None, record: RunRecord) -> None:
        """Tell how the run ended; without the lineage of an attempt, after a crash, only if the run is open.

        Args:
            event_type: COMPLETE, FAIL or ABORT.
            error: why it failed.
            record: of the ended run.

        Raises:
            Unreachable: the bus does not answer.
        """
        at = datetime.fromisoformat(record.ended_at or record.requested_at)
        if self._lineage is not None:
            with trace.use_span(self._span):
                await self.put(self._lineage.of_run(event_type, at, error=error, span=span_ids(self._span)))
        await self._spool.settled(self._bus.settings.publish_budget)
        if self._lineage is None:
            own = await own_events(self._bus, record)
            if own and all(event["eventType"] == "START" for event in own):
                await self.put(closed(own[0], event_type, at, error=error))
                await self._spool.settled(self._bus.settings.publish_budget)
        self._span.set_attribute(names.STATUS, record.status.value)
        if event_type == "FAIL":
            failed(self._span, "run_failed", error)
        self._end_spans("interrupted")
        self.counted(record)

    def counted(self, record: RunRecord) -> None:
        """Count a run that ended; of one that never began, this is all there is to tell."""
        if self._wanted.metrics:
            self._telemetry.run_ended(record)

    async def put(self, event: LineageEvent) -> None:
        """Tell a lineage event, once; without its largest facets where the bus does not take the whole."""
        run, kind = event["run"]["runId"], event["eventType"]
        if f"{run}:{kind}" in self._told:
            return
        for each in (event, *smaller(event)):
            try:
                await self._spool.put(outgoing_lineage(self._record, each))
            except MessageTooLarge as error:
                log.warning("a lineage event is too large", job=event["job"]["name"], error=str(error))
                continue
            self._told.add(f"{run}:{kind}")
            self.lineage_events += 1
            break
        if kind != "START":
            self._open.pop(run, None)
        elif run != self._record.run_id:
            self._open[run] = event

    async def count(self) -> int:
        """The run's events on the stream with the last one, which its end will add; counted there in later attempts.

        Raises:
            Unreachable: the bus does not answer.
        """
        last = 0 if self._lineage is None else 1
        if self._record.attempt == 1:
            return self.lineage_events + last
        await self._spool.settled(self._bus.settings.publish_budget)
        return len([event async for event in lineage_of(self._bus, self._record)]) + last

    async def _put_event(self, event: NodeEvent) -> None:
        cause = f"{event.run_id}:{event.attempt}:{event.kind}:{event.unique_id}"
        source = f"floe/{self._bus.name}"
        headers, body = encode(event, Attributes(cause, source, datetime.now(UTC), traceparent=current_traceparent()))
        await self._spool.put(Outgoing(event.subject(), headers, body.decode(), headers[MESSAGE_ID]))

    def _child(self, name: str, at: datetime, attributes: dict[str, str]) -> Span:
        if not self._wanted.traces:
            return trace.INVALID_SPAN
        return self._telemetry.tracer.start_span(
            name,
            context=trace.set_span_in_context(self._span),
            start_time=nanoseconds(at),
            attributes={**self._wanted.attributes, **attributes},
        )

    def _node_span(self, report: NodeReport) -> Span:
        if isinstance(report, NodeDone):
            return self._spans.pop(report.unique_id, trace.INVALID_SPAN)
        node, warehouse = self._facts.node(report.unique_id) if self._facts else (None, "")
        span = self._child(names.NODE, report.at, node_attributes(report.unique_id, node, warehouse))
        self._spans[report.unique_id] = span
        return span

    def _end_node(self, span: Span, report: NodeDone) -> None:
        if self._wanted.metrics:
            self._telemetry.node_ended(self._record, report)
        span.set_attribute(names.NODE_STATUS, report.status.value)
        if report.rows is not None:
            span.set_attribute(names.ROWS, report.rows)
        if report.status is NodeStatus.FAILED:
            failed(span, "node_failed", report.message)
        span.end(nanoseconds(report.at))

    def _end_spans(self, why: str) -> None:
        for span in self._spans.values():
            failed(span, why)
            span.end()
        self._spans.clear()
        self._span.end()
        self._span = trace.INVALID_SPAN
