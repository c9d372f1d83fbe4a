"""The products that the service looks after, with what their artifacts say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from floe_catalog.adapters.catalog_products import CatalogProducts
from floe_catalog.core.declared_tables import DeclaredTable, declared_tables
from floe_catalog.core.ports import Lakehouse
from floe_catalog.errors import EnvironmentUnknown, ProductUnknown
from floe_chassis.blobs import BlobStore
from floe_contracts.artifacts import CompiledArtifacts, CompiledEnvironment, read_artifact
from floe_contracts.catalog_products import CatalogProduct
from floe_contracts.nodes import NodeGraph
from floe_contracts.openlineage.naming import Place
from floe_lakehouse.identifiers import product_namespace

_KEPT: Final = 256
"""Artifacts that are kept, of each environment: they are read again and again, and never change."""


@dataclass(frozen=True, slots=True)
class Product:
    """A product in one environment.

    Attributes:
        place: where it is.
        artifact_digest: of its artifact.
        artifact: what it was compiled to.
        environment: the environment, as compiled.
        tables: those that the project declares, by identifier.
        types: what the declared types are in Iceberg.
    """

    place: Place
    artifact_digest: str
    artifact: CompiledArtifacts
    environment: CompiledEnvironment
    tables: Mapping[str, DeclaredTable]
    types: Mapping[str, str]

    def owns(self, identifier: str) -> bool:
        """Whether a table is the product's: below its namespace, or declared by it."""
        levels = tuple(identifier.split("."))
        own = product_namespace(self.place)
        below = levels[: len(own)] == own and len(levels) > len(own) and all(levels)
        return below or identifier in self.tables


class Products:
    """Finds products; their artifacts are read from the blob store once."""

    def __init__(self, blobs: BlobStore, records: CatalogProducts, lakehouse: Lakehouse) -> None:
        self._blobs = blobs
        self._records = records
        self._lakehouse = lakehouse
        self._read: dict[tuple[str, Place], Product] = {}

    async def live(self) -> tuple[CatalogProduct, ...]:
        """All products that are looked after, in each of their environments.

        Raises:
            Unreachable: the bus does not answer.
        """
        return await self._records.live()

    async def find(self, place: Place) -> Product:
        """The product at a place, by its newest artifact.

        Raises:
            ProductUnknown: there is none.
            BlobMissing: the artifact is not in the store.
            Unreachable: the bus or the store does not answer.
        """
        record = await self._records.find(place)
        if record is None:
            raise ProductUnknown(
                f"{place.product} is not in {place.environment}",
                hint="compile and publish it for this environment first",
            )
        return await self.read(place, record.artifact_digest)

    async def read(self, place: Place, digest: str) -> Product:
        """The product at a place, by a certain artifact of it.

        Raises:
            EnvironmentUnknown: the artifact does not have the environment.
            BlobMissing: the artifact is not in the store.
            ArtifactCorrupt: it does not have its digest.
            Unreachable: the store does not answer.
        """
        if (digest, place) not in self._read:
            product = await self._load(place, digest)
            while len(self._read) >= _KEPT:
                self._read.pop(next(iter(self._read)))
            self._read[digest, place] = product
        return self._read[digest, place]

    async def declared_now(self, product: Product) -> Product:
        """The same product in the same catalog, with what its newest artifact declares; nothing if it has none.

        Raises:
            BlobMissing: the newest artifact is not in the store.
            Unreachable: the bus or the store does not answer.
        """
        try:
            newest = await self.find(product.place)
        except ProductUnknown:
            return replace(product, tables={}, types={})
        return replace(product, artifact_digest=newest.artifact_digest, tables=newest.tables, types=newest.types)

    async def _load(self, place: Place, digest: str) -> Product:
        artifact = read_artifact(await self._blobs.get(digest), digest)
        environment = artifact.environments.get(place.environment)
        if environment is None:
            raise EnvironmentUnknown(
                f"the artifact {digest} of {place.product} has no environment {place.environment!r}",
                hint=f"it has: {', '.join(sorted(artifact.environments))}",
            )
        graph = NodeGraph.model_validate_json(await self._blobs.get(environment.nodes), extra="ignore")
        tables = declared_tables(place, artifact, environment, graph)
        words = {word for table in tables.values() for word in table.words}
        types = await self._lakehouse.types(environment.compute.type, words) if words else {}
        return Product(place, digest, artifact, environment, tables, types)
