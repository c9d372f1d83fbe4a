"""What was compiled before, from the stream that keeps the last events of every product."""

from __future__ import annotations

from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from floe_chassis.bus import Bus
from floe_chassis.topology import ARTIFACTS
from floe_contracts import subjects
from floe_contracts.cloudevents import decode
from floe_contracts.errors import ContractError, Unreachable
from floe_contracts.events import ArtifactCompiled
from floe_contracts.subjects import EventKind


class StreamArtifactHistory:
    """Fulfils `ArtifactHistory`; asks for one subject, so that the least rights are enough."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def latest(self, tenant: str, product: str) -> ArtifactCompiled | None:
        subject = subjects.pattern(EventKind.ARTIFACT_COMPILED, tenant=tenant, product=product)
        if not self._bus.connected:
            raise Unreachable(f"the bus at {self._bus.address} is not connected")
        try:
            message = await self._bus.js.get_last_msg(ARTIFACTS, subject, direct=True)
        except NotFoundError:
            return None
        except (NatsError, OSError, TimeoutError) as error:
            raise Unreachable(f"the bus does not tell the last event on {subject}: {error}") from error
        event = decode(subject, message.headers, message.data or b"").event
        if not isinstance(event, ArtifactCompiled):
            raise ContractError(f"an event of {event.kind} stands on {subject}")
        return event
