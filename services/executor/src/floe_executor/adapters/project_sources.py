"""Projects on the executor's disk: one stable folder a place, updated in place, so that dbt can parse partially."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from floe_chassis.blobs import BlobStore
from floe_chassis.source_bundles import unpack
from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.openlineage.naming import Place
from floe_contracts.subjects import escape

_MANIFESTS_KEPT: Final = 8


class ProjectSources:
    """The checked-out sources of all places."""

    def __init__(self, blobs: BlobStore, folder: Path) -> None:
        self._blobs = blobs
        self._folder = folder
        self._manifests: dict[str, dict[str, Any]] = {}

    async def check_out(self, place: Place, artifact: CompiledArtifacts) -> Path:
        """Bring the artifact's sources to the place's folder; the folder of dbt_project.yml.

        Raises:
            BlobMissing: a part of the bundle is not in the store yet.
            BlobCorrupt: a part has another digest.
        """
        folder = self._folder / escape(place.tenant) / escape(place.environment) / escape(place.product)
        await unpack(artifact.sources.bundle, self._blobs, folder, packages=artifact.sources.packages)
        return folder / artifact.transforms[0].path

    async def manifest(self, digest: str) -> dict[str, Any]:
        """The manifest with that digest; the same object for the same digest, as long as it is kept."""
        if digest not in self._manifests:
            while len(self._manifests) >= _MANIFESTS_KEPT:
                self._manifests.pop(next(iter(self._manifests)))
            self._manifests[digest] = json.loads(await self._blobs.get(digest))
        return self._manifests[digest]
