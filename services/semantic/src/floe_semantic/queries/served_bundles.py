"""What queries are told with: the bundle that served them and the tables of its artifact, read once and kept."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

import structlog

from floe_contracts.artifacts import read_artifact
from floe_contracts.errors import BlobCorrupt, BlobMissing, ContractError
from floe_contracts.nodes import NodeGraph
from floe_contracts.openlineage.naming import Place
from floe_contracts.semantic_states import SemanticState
from floe_semantic.core.cube_bundles import BundleDocument
from floe_semantic.core.ports import Blobs
from floe_semantic.core.queries.records import QueryRecord
from floe_semantic.core.queries.relations import relations_of
from floe_semantic.core.queries.served_members import ServedCube, ServedView, read_cube, read_view
from floe_semantic.core.queries.uses import Relation, ServedBundle, cubes_behind
from floe_semantic.core.rendering.bundles import read_bundle

_KEPT: Final = 8
_MOST_JOINED: Final = 50
"""Cubes that joins lead to from those of a query, and that are read to find the way."""
_CUBES: Final = "model/cubes/"
_VIEWS: Final = "model/views/"
_SUFFIX: Final = ".yml"

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")

_log = structlog.get_logger("floe.semantic")


@dataclass(slots=True)
class _Bundle:
    """A bundle, as far as it was read."""

    document: BundleDocument
    cubes: dict[str, ServedCube] = field(default_factory=dict)
    views: dict[str, ServedView] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Tables:
    relations: Mapping[str, Relation]
    dialect: str


class ServedBundles:
    """Reads bundles and artifacts.

    Args:
        blobs: where they are.
        state: finds what is known of a product.
    """

    def __init__(self, blobs: Blobs, state: Callable[[Place], SemanticState | None]) -> None:
        self._blobs = blobs
        self._state = state
        self._bundles: OrderedDict[str, _Bundle] = OrderedDict()
        self._tables: OrderedDict[tuple[Place, str], _Tables] = OrderedDict()

    async def find(self, place: Place, record: QueryRecord, served: str) -> ServedBundle | None:
        """What served a query, as far as that query may touch it; None if that cannot be found any more.

        Raises:
            Unreachable: the blob store does not answer.
        """
        digest = record.bundle_digest
        artifact_digest = _artifact_of(self._state(place), digest)
        if digest is None or artifact_digest is None:
            return None
        try:
            bundle = await self._bundle(digest)
            await self._read(bundle, (*record.members, *record.shown, f"{served}."))
            tables = await self._tables_of(place, artifact_digest)
        except (BlobMissing, BlobCorrupt, ContractError) as error:
            _log.warning("query.bundle_unreadable", place=str(place), bundle=digest, error=str(error))
            return None
        return ServedBundle(artifact_digest, bundle.cubes, bundle.views, tables.relations, tables.dialect)

    async def _bundle(self, digest: str) -> _Bundle:
        if digest not in self._bundles:
            _keep(self._bundles, digest, _Bundle(await read_bundle(self._blobs, digest)))
        self._bundles.move_to_end(digest)
        return self._bundles[digest]

    async def _read(self, bundle: _Bundle, names: Iterable[str]) -> None:
        """Have what these names speak of in memory, and the cubes that joins lead to from there."""
        named = {name.partition(".")[0] for name in names}
        for name in named - bundle.views.keys():
            text = await self._text(bundle, f"{_VIEWS}{name}{_SUFFIX}")
            if text is not None:
                bundle.views[name] = read_view(text)
        waiting = sorted(cubes_behind(names, bundle.views))
        seen = set(waiting)
        for count, name in enumerate(waiting):
            if name not in bundle.cubes:
                text = await self._text(bundle, f"{_CUBES}{name}{_SUFFIX}")
                if text is None:
                    continue
                bundle.cubes[name] = read_cube(text)
            if count < _MOST_JOINED:
                targets = sorted(bundle.cubes[name].joins.keys() - seen)
                seen.update(targets)
                waiting += targets

    async def _text(self, bundle: _Bundle, path: str) -> str | None:
        digest = bundle.document.files.get(path)
        return (await self._blobs.get(digest)).decode() if digest else None

    async def _tables_of(self, place: Place, artifact_digest: str) -> _Tables:
        key = (place, artifact_digest)
        if key not in self._tables:
            artifact = read_artifact(await self._blobs.get(artifact_digest), artifact_digest)
            environment = artifact.environments.get(place.environment)
            if environment is None:
                raise ContractError(f"artifact {artifact_digest} has no environment {place.environment}")
            content = await self._blobs.get(environment.nodes)
            # A graph of thousands of models takes a while.
            graph = await asyncio.to_thread(lambda: NodeGraph.read(json.loads(content)))
            relations = relations_of(place, environment, graph)
            _keep(self._tables, key, _Tables(relations, environment.compute.type))
        self._tables.move_to_end(key)
        return self._tables[key]


def _artifact_of(state: SemanticState | None, bundle_digest: str | None) -> str | None:
    """The artifact that a bundle of a product was rendered from, the newest if there are several."""
    if state is None:
        return None
    known = (state.served, state.offered, state.wanted, *state.history)
    return next((each.artifact_digest for each in known if each and each.bundle_digest == bundle_digest), None)


def _keep(kept: OrderedDict[KeyT, ValueT], key: KeyT, value: ValueT) -> None:
    kept[key] = value
    while len(kept) > _KEPT:
        kept.popitem(last=False)
