"""Keeps what is live, and starts the runs of compile triggers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from floe_chassis.bus import Bus
from floe_contracts.artifacts import read_artifact
from floe_contracts.cloudevents import Received
from floe_contracts.digests import canonical_json
from floe_contracts.events import ArtifactCompiled, ArtifactRetired
from floe_contracts.live_products import LiveProduct, live_environments
from floe_contracts.openlineage.naming import Place
from floe_contracts.run_requests import compiled_run_request_id
from floe_executor.adapters.state.live_products import LiveProducts
from floe_executor.core.starts import going_live
from floe_executor.core.starts.going_live import Announcement
from floe_executor.core.starts.requests import compile_request

log = structlog.get_logger(__name__)

Retired = Callable[[Place], Awaitable[None]]
"""Told of a product that is live no more, where it was."""


async def nobody(place: Place) -> None:
    """Whom nobody needs to tell."""


class ArtifactHandlers:
    """The subscribers of FLOE_ARTIFACTS. An event that comes twice, or late, changes nothing."""

    def __init__(
        self, bus: Bus, live_products: LiveProducts, changed: Callable[[], None], retired: Retired = nobody
    ) -> None:
        """Call `changed` when a schedule may have changed, and `retired` when a product is retired."""
        self._bus = bus
        self._products = live_products
        self._changed = changed
        self._retired = retired

    async def compiled(self, received: Received[ArtifactCompiled]) -> None:
        """Make the artifact live where its ref says, and ask for the runs of its compile triggers.

        Raises:
            ArtifactCorrupt: the artifact does not have the digest that was announced.
            RefInvalid: it was announced for what is no ref.
            LiveProductChanged: another executor is faster, again and again.
            Unreachable: the bus does not answer.
        """
        announced = read_announcement(received)
        environments = live_environments(announced.artifact, announced.event.source)
        for environment in environments:
            place = Place(announced.event.tenant, environment, announced.event.product)
            before = await self._products.record(place)
            after = going_live.live(before, announced, environment)
            if after is None:
                continue
            # Asked for before it is written down: what is written would not be asked for after a crash.
            if going_live.starts_on_compile(before, after):
                request = compile_request(announced.event, environment)
                cause = compiled_run_request_id(received.attributes.id, environment)
                await self._bus.publish(request, id=cause, cause=received.attributes)
            await self._make_live(place, announced)
        await self._abandon(announced, environments)
        self._changed()

    async def retired(self, received: Received[ArtifactRetired]) -> None:
        """Have nothing start the product any more, wherever it is live.

        Raises:
            LiveProductChanged: another executor is faster, again and again.
            Unreachable: the bus does not answer.
        """
        event = received.event
        for product in await self._products.live(tenant=event.tenant, product=event.product):
            await self._retire(product, received.sequence or 0)
        self._changed()

    async def _make_live(self, place: Place, announced: Announcement) -> None:
        def live(before: LiveProduct | None) -> LiveProduct | None:
            return going_live.live(before, announced, place.environment)

        await self._products.change(place, live)

    async def _abandon(self, announced: Announcement, environments: tuple[str, ...]) -> None:
        event = announced.event
        for product in await self._products.live(tenant=event.tenant, product=event.product):
            if going_live.abandoned(product, announced, environments):
                await self._retire(product, announced.sequence)

    async def _retire(self, product: LiveProduct, sequence: int) -> None:
        now = await self._products.change(product.place, partial(going_live.retired, sequence=sequence))
        if now is not None and now.retired:
            try:
                await self._retired(product.place)
            except Exception as error:  # noqa: BLE001 -- what is shown of it is no source of truth
                log.warning("a retired product is still shown", place=str(product.place), error=str(error))


def read_announcement(received: Received[ArtifactCompiled]) -> Announcement:
    """The announcement that an event is, its artifact checked and read.

    Raises:
        ArtifactCorrupt: the artifact does not have the digest that was announced.
        ContractError: it does not keep its contract.
    """
    event = received.event
    artifact = read_artifact(canonical_json(event.artifact), event.artifact_digest)
    return Announcement(event, artifact, received.sequence or 0, received.attributes.time)
