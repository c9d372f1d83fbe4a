"""The lineage events of a run on the stream: how they are sent, and finding what a dead worker left open."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime

from floe_chassis.bus import Bus
from floe_chassis.spool import Outgoing
from floe_chassis.stream_reader import read_stream
from floe_chassis.topology import LINEAGE
from floe_contracts import subjects
from floe_contracts.openlineage.envelope import RUN_HEADER, message_headers, message_subject, read_envelope
from floe_contracts.openlineage.events import message_id, to_bytes
from floe_contracts.openlineage.naming import Place, named_place
from floe_contracts.runs import RunRecord
from floe_executor.core.lineage import LineageEvent


def outgoing_lineage(record: RunRecord, event: LineageEvent) -> Outgoing:
    """The message of an event."""
    envelope = read_envelope(event)
    headers = message_headers(envelope) | {RUN_HEADER: record.run_id}
    return Outgoing(message_subject(envelope, record.place), headers, to_bytes(event).decode(), message_id(event))


def outgoing_exposure(record: RunRecord, event: LineageEvent) -> Outgoing:
    """The message of an event about who reads the tables, once a run; it belongs to no run itself."""
    envelope = read_envelope(event)
    told = f"{record.run_id}:{envelope.event_type}:{envelope.name}"
    subject = message_subject(envelope, record.place)
    return Outgoing(subject, message_headers(envelope), to_bytes(event).decode(), told)


def product_of(event: LineageEvent) -> Place:
    """The product whose run an event of a node or a landing belongs to."""
    job = event["run"]["facets"]["parent"]["job"]
    return named_place(job["namespace"], job["name"])


async def lineage_of(bus: Bus, record: RunRecord) -> AsyncIterator[LineageEvent]:
    """The events of a run that are on the stream, in order, of all its attempts."""
    place = record.place
    pattern = subjects.lineage_pattern(place.tenant, place.environment, place.product)
    since = datetime.fromisoformat(record.requested_at)
    async for message in read_stream(bus.js, LINEAGE, pattern, since=since):
        if (message.headers or {}).get(RUN_HEADER) == record.run_id:
            yield json.loads(message.data)


async def open_starts(bus: Bus, record: RunRecord) -> list[LineageEvent]:
    """The START events of the run's nodes that nothing closed; the run's own START is left out."""
    begun: dict[str, LineageEvent] = {}
    async for event in lineage_of(bus, record):
        run = event["run"]["runId"]
        if event["eventType"] == "START":
            begun[run] = event
        else:
            begun.pop(run, None)
    begun.pop(record.run_id, None)
    return list(begun.values())


async def own_events(bus: Bus, record: RunRecord) -> list[LineageEvent]:
    """The events of the run itself that are on the stream, without those of its nodes and landings."""
    return [event async for event in lineage_of(bus, record) if event["run"]["runId"] == record.run_id]
