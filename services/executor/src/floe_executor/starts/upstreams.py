"""Starts the products that wait for what happens to another one."""

from __future__ import annotations

import structlog
from nats.js.errors import KeyNotFoundError

from floe_chassis.blobs import BlobStore
from floe_chassis.bus import Bus
from floe_contracts.artifacts import CompiledArtifacts, read_artifact
from floe_contracts.cloudevents import Received
from floe_contracts.events import RunCompleted, TableCommitted
from floe_contracts.live_products import LiveProduct
from floe_contracts.openlineage.naming import Place
from floe_contracts.runs import RunRecord, run_key
from floe_executor.adapters.state.live_products import LiveProducts
from floe_executor.adapters.state.run_store import RunStore
from floe_executor.core.starts import upstreams
from floe_executor.core.starts.requests import upstream_request, upstream_request_id
from floe_executor.core.starts.upstreams import Upstream
from floe_executor.starts.measures import StartMeasures

log = structlog.get_logger(__name__)


class UpstreamHandlers:
    """The subscribers of what other products do. An event that comes twice asks for the same runs again."""

    def __init__(
        self, bus: Bus, blobs: BlobStore, live_products: LiveProducts, store: RunStore, measures: StartMeasures
    ) -> None:
        self._bus = bus
        self._blobs = blobs
        self._products = live_products
        self._store = store
        self._measures = measures

    async def happened(self, received: Received[RunCompleted] | Received[TableCommitted]) -> None:
        """Ask for a run of every product of the same environment with a trigger that fits.

        A commit that only puts the same rows into other files starts nothing.

        Raises:
            Unreachable: the bus or the blob store does not answer.
            BlobMissing: an artifact is not in the blob store.
        """
        event = received.event
        if isinstance(event, TableCommitted) and event.maintenance:
            return
        live = await self._products.live(tenant=event.tenant, environment=event.environment)
        candidates = [product for product in live if _listens_to(product, event)]
        if not candidates:
            return
        upstream = upstreams.upstream_of(event, await self._run(event))
        for product in candidates:
            if not upstreams.waits_for(product, upstream):
                continue
            if upstreams.closes_a_circle(product, upstream):
                self._measures.circle_ended(event.environment)
                log.warning(
                    "not started again by what its own run led to",
                    product=product.product,
                    environment=product.environment,
                    chain=upstream.next_chain,
                    run_id=upstream.run_id,
                )
                continue
            request = upstream_request(product, upstream, await self._partition(product, upstream))
            cause = upstream_request_id(received.attributes.id, product)
            await self._bus.publish(request, id=cause, cause=received.attributes)

    async def _run(self, event: RunCompleted | TableCommitted) -> RunRecord | None:
        if event.run_id is None:
            return None
        place = Place(event.tenant, event.environment, event.product)
        try:
            return (await self._store.read(run_key(place, event.run_id))).record
        except KeyNotFoundError:
            return None

    async def _partition(self, product: LiveProduct, upstream: Upstream) -> str | None:
        if upstream.partition is None or upstream.artifact_digest is None:
            return None
        above = await self._artifact(upstream.artifact_digest)
        below = await self._artifact(product.artifact_digest)
        return upstream.partition if upstreams.same_partitions(above, below) else None

    async def _artifact(self, digest: str) -> CompiledArtifacts:
        return read_artifact(await self._blobs.get(digest), digest)


def _listens_to(product: LiveProduct, event: RunCompleted | TableCommitted) -> bool:
    return any(trigger.product == event.product and trigger.event == event.kind for trigger in product.triggers)
