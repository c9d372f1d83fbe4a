"""Following the artifacts: which one the service holds each product to, its namespaces, and its declared tables."""

from __future__ import annotations

import asyncio
from functools import partial

import structlog

from floe_catalog.adapters.catalog_products import CatalogProducts
from floe_catalog.core.live_products import live, retired
from floe_catalog.core.namespaces import live_namespace, retired_namespace
from floe_catalog.core.ports import Lakehouse
from floe_catalog.tables.products import Products
from floe_catalog.tables.registering import Registrar
from floe_contracts.artifacts import CompiledArtifacts, read_artifact
from floe_contracts.cloudevents import Received
from floe_contracts.digests import canonical_json
from floe_contracts.errors import Permanent
from floe_contracts.events import ArtifactCompiled, ArtifactRetired
from floe_contracts.live_products import live_environments
from floe_contracts.openlineage.naming import Place

_log = structlog.get_logger(__name__)


class Following:
    """The subscribers of FLOE_ARTIFACTS. An event that comes twice, or late, changes nothing.

    What is remembered is written before any catalog is asked, and is all that an event must have led to: a catalog may
    need rights that are derived from it, or be out of reach, as production's is from a laptop. What could not be done
    at once the reconciler does, in the environments where the artifact is live.
    """

    def __init__(
        self, lakehouse: Lakehouse, records: CatalogProducts, products: Products, registrar: Registrar
    ) -> None:
        self._lakehouse = lakehouse
        self._records = records
        self._products = products
        self._registrar = registrar

    async def compiled(self, received: Received[ArtifactCompiled]) -> None:
        """Hold the product to its new artifact, give it its namespaces, and make its declared tables ready.

        Raises:
            ArtifactCorrupt: the artifact does not have the digest that was announced.
            RefInvalid: it was announced for what is no ref.
            RecordChanged: another replica is faster, again and again.
            Unreachable: the bus does not answer.
        """
        event, sequence, compiled_at = received.event, received.sequence or 0, received.attributes.time
        digest = event.artifact_digest
        artifact = read_artifact(canonical_json(event.artifact), digest)
        followed = set()
        for environment in live_environments(artifact, event.source):
            place = Place(event.tenant, environment, event.product)
            becomes = partial(live, place=place, digest=digest, sequence=sequence, compiled_at=compiled_at)
            after = await self._records.change(place, becomes)
            if after is not None and (after.sequence, after.artifact_digest) == (sequence, digest):
                followed.add(place)

        async def prepare(place: Place) -> None:
            try:
                await self._name(place, artifact, received)
                if place in followed:
                    await self._registrar.register(await self._products.read(place, digest))
            except Exception as error:  # noqa: BLE001 -- the reconciler tries again, and says so
                _log.warning("catalog.not_prepared", place=str(place), error=str(error))

        places = [Place(event.tenant, environment, event.product) for environment in artifact.environments]
        await asyncio.gather(*map(prepare, places))

    async def retired(self, received: Received[ArtifactRetired]) -> None:
        """Look after the product no more, wherever it was looked after. Its tables stay, and their namespace says so.

        Raises:
            RecordChanged: another replica is faster, again and again.
            CatalogUnreachable: a catalog does not answer.
            BlobMissing: the artifact of the product is not in the blob store.
            Unreachable: the bus or the blob store does not answer.
        """
        event, sequence = received.event, received.sequence or 0
        records = await self._records.recorded(tenant=event.tenant, product=event.product)
        gone = [record for record in records if record.sequence <= sequence]
        for record in gone:
            await self._records.change(record.place, partial(retired, sequence=sequence))

        async def say(place: Place, digest: str) -> None:
            try:
                environment = (await self._products.read(place, digest)).environment
                namespace = retired_namespace(place, received.attributes.time)
                await self._lakehouse.ensure(place, environment, namespace)
            except Permanent as error:  # as where this service has no secrets of that catalog
                _log.warning("catalog.not_prepared", place=str(place), error=str(error))

        said = (say(record.place, record.artifact_digest) for record in gone)
        for result in await asyncio.gather(*said, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _name(self, place: Place, artifact: CompiledArtifacts, received: Received[ArtifactCompiled]) -> None:
        digest = received.event.artifact_digest
        namespace = live_namespace(artifact, digest, place=place, compiled_at=received.attributes.time)
        await self._lakehouse.ensure(place, artifact.environments[place.environment], namespace)
