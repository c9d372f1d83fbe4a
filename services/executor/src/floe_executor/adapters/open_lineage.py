"""The lineage events of a run on the stream: publishing them, and finding what a dead worker left open."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

from floe_chassis.bus import Bus
from floe_chassis.stream_reader import read_stream
from floe_chassis.topology import LINEAGE
from floe_contracts import subjects
from floe_contracts.openlineage.events import RUN_HEADER, EventType, message_id, to_bytes
from floe_contracts.runs import RunRecord
from floe_executor.core.lineage import LineageEvent, RunLineage, closed

_JSON: Final = "application/json"


async def publish_lineage(bus: Bus, record: RunRecord, event: LineageEvent) -> None:
    """Put one event on the stream."""
    body = to_bytes(event)
    place = record.place
    subject = subjects.lineage(place.tenant, place.environment, place.product, event["job"]["name"], event["eventType"])
    headers = {"Content-Type": _JSON, RUN_HEADER: record.run_id}
    await bus.publish_raw(subject, body, headers, message_id(event, body))


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


async def close_run(
    bus: Bus, record: RunRecord, event_type: EventType, *, error: str | None, lineage: RunLineage | None
) -> None:
    """Put the last event of an ended run on the stream.

    Args:
        bus: connected.
        record: of the run; says when it ended.
        event_type: COMPLETE or FAIL.
        error: why it failed.
        lineage: of the attempt that ended it. Without one, after a crash, the run is closed only if it is open.
    """
    at = datetime.fromisoformat(record.ended_at or record.requested_at)
    if lineage is not None:
        await publish_lineage(bus, record, lineage.of_run(event_type, at, error=error))
        return
    own = await own_events(bus, record)
    if own and all(event["eventType"] == "START" for event in own):
        await publish_lineage(bus, record, closed(own[0], event_type, at, error=error))
