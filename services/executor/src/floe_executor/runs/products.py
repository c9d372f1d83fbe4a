"""What runs build: the artifact of a product, and its parts for one environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from floe_chassis.blobs import BlobStore
from floe_contracts.artifacts import CompiledArtifacts, CompiledEnvironment, read_artifact
from floe_contracts.events import LATEST
from floe_contracts.nodes import NodeGraph
from floe_contracts.runs import RunRecord
from floe_executor.core.transform_nodes import with_transforms
from floe_executor.errors import EnvironmentUnknown, NothingLive

_KEPT: Final = 64


@dataclass(frozen=True, slots=True)
class Product:
    """An artifact in one environment; the graph has its Python transforms too."""

    artifact: CompiledArtifacts
    environment: CompiledEnvironment
    graph: NodeGraph


class Products:
    """Reads artifacts, and keeps those that were read last: the same digest is always the same document."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._artifacts: dict[str, CompiledArtifacts] = {}

    async def artifact(self, digest: str) -> CompiledArtifacts:
        """The artifact of that digest.

        Raises:
            NothingLive: it stands for what is live, and nothing was when the run was asked for.
            BlobMissing: it is not in the store yet.
            Permanent: it cannot be read.
        """
        if digest == LATEST:
            raise NothingLive(
                "nothing is live there that could be run",
                hint="compile and publish the product for this environment first, or ask by the digest of an artifact",
            )
        if digest not in self._artifacts:
            read = read_artifact(await self._blobs.get(digest), digest)
            while len(self._artifacts) >= _KEPT:
                self._artifacts.pop(next(iter(self._artifacts)))
            self._artifacts[digest] = read
        return self._artifacts[digest]

    async def of_run(self, record: RunRecord) -> Product:
        """What a run builds.

        Raises:
            EnvironmentUnknown: the artifact has no such environment.
            Permanent: the artifact cannot be read, or its parts do not fit together.
            Transient: a part of it cannot be read at the moment.
        """
        return await self.read(record.artifact_digest, record.environment)

    async def read(self, digest: str, name: str) -> Product:
        """The artifact of that digest in the environment of that name; raises what `of_run` raises."""
        artifact = await self.artifact(digest)
        environment = artifact.environments.get(name)
        if environment is None:
            raise EnvironmentUnknown(
                f"the artifact has no environment {name!r}",
                hint=f"it has: {', '.join(sorted(artifact.environments))}",
            )
        graph = NodeGraph.model_validate_json(await self._blobs.get(environment.nodes), extra="ignore")
        return Product(artifact, environment, with_transforms(graph, artifact, environment.compute))
