"""Brings back what is live where its bucket was lost: FLOE_ARTIFACTS tells it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

import structlog

from floe_chassis.bus import Bus
from floe_chassis.handled_artifacts import Announcement, handled_artifacts
from floe_chassis.topology import EXECUTOR_ARTIFACTS
from floe_contracts.cloudevents import Received
from floe_contracts.errors import Permanent
from floe_contracts.events import ArtifactRetired
from floe_contracts.live_products import LiveProduct
from floe_executor.adapters.state.live_products import LiveProducts
from floe_executor.core.starts import going_live
from floe_executor.starts.artifacts import read_announcement

log = structlog.get_logger(__name__)


class Restoring:
    """Reads the events again that were handled before the bucket was lost; those to come start runs, as always."""

    def __init__(self, bus: Bus, live_products: LiveProducts) -> None:
        self._bus = bus
        self._products = live_products

    async def restore(self) -> None:
        """Bring back what is live, if nothing is known to be. Twice at a time changes nothing.

        Raises:
            Unreachable: the bus does not answer.
            LiveProductChanged: another executor is faster, again and again.
        """
        if not await self._products.empty():
            return
        # Only what is right at the end is written: no schedule may see what was retired since as live.
        for product in _folded(await handled_artifacts(self._bus, EXECUTOR_ARTIFACTS)):
            await self._products.change(product.place, partial(_newer, product))


def _folded(events: Iterable[Announcement]) -> Iterator[LiveProduct]:
    records: dict[tuple[str, str], dict[str, LiveProduct]] = {}
    for received in events:
        event = received.event
        known = records.get((event.tenant, event.product), {})
        try:
            if isinstance(event, ArtifactRetired):
                after = going_live.after_retired(known, received.sequence or 0)
            else:
                announced = read_announcement(Received(event, received.attributes, received.sequence))
                after = going_live.after_compiled(known, announced)
        except Permanent as error:  # it was a dead letter then, too
            log.warning("an artifact does not come back", product=event.product, error=str(error))
            continue
        records[event.tenant, event.product] = after
    for found in records.values():
        yield from found.values()


def _newer(product: LiveProduct, before: LiveProduct | None) -> LiveProduct | None:
    return None if before is not None and before.sequence >= product.sequence else product
