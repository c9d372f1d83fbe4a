"""The announcements of artifacts that a consumer has handled: what a service remembers of them can be made again."""

from __future__ import annotations

from typing import TypeAlias

import structlog

from floe_chassis.bus import Bus
from floe_chassis.stream_reader import read_stream
from floe_chassis.topology import ARTIFACTS
from floe_contracts import subjects
from floe_contracts.cloudevents import Received, decode
from floe_contracts.errors import Permanent
from floe_contracts.events import ArtifactCompiled, ArtifactRetired
from floe_contracts.subjects import EventKind

Announcement: TypeAlias = Received[ArtifactCompiled | ArtifactRetired]

_log = structlog.get_logger("floe.chassis")


async def handled_artifacts(bus: Bus, consumer: str) -> list[Announcement]:
    """What is still stored of FLOE_ARTIFACTS up to where `consumer` has acknowledged everything, in its order.

    What comes after that is delivered by itself; what cannot be read was a dead letter, and is logged and left out.

    Raises:
        Unreachable: the bus does not answer.
    """
    floor = (await bus.js.consumer_info(ARTIFACTS, consumer)).ack_floor
    last = (floor.stream_seq if floor else 0) or 0
    found: list[Announcement] = []
    for kind in (EventKind.ARTIFACT_COMPILED, EventKind.ARTIFACT_RETIRED) if last else ():
        async for message in read_stream(bus.js, ARTIFACTS, subjects.pattern(kind)):
            sequence = message.metadata.sequence.stream
            if sequence > last:
                break
            try:
                received = decode(message.subject, message.headers, message.data)
            except Permanent as error:
                _log.warning("artifact.not_restored", consumer=consumer, subject=message.subject, error=str(error))
                continue
            if isinstance(received.event, ArtifactCompiled | ArtifactRetired):
                found.append(Received(received.event, received.attributes, sequence))
    return sorted(found, key=lambda received: received.sequence or 0)
