"""Rendering on request, over the bus: what it would be, without offering or announcing anything."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from floe_chassis.blobs import BlobStore, open_blobs
from floe_chassis.bus import Bus
from floe_chassis.errors import RequestFailed, RequestRefused
from floe_chassis.requests import ask
from floe_chassis.settings import ChassisSettings
from floe_chassis.stream_reader import read_stream
from floe_chassis.topology import EVENTS
from floe_contracts import subjects
from floe_contracts.artifacts import CompiledArtifacts, Serving
from floe_contracts.digests import canonical_json, digest_of
from floe_contracts.nodes import NodeGraph
from floe_contracts.semantic_requests import RENDER_BUNDLE, BundleRendered, RenderBundle
from floe_semantic.app import create_app
from floe_semantic.core.rendering.render import render
from floe_semantic.core.rendering.serving import Rendering, prepare
from floe_semantic.errors import NothingToServe, NotServed

pytestmark = pytest.mark.bus

PROD = {"pii": ("mask", ("data_owner",))}
MakeArtifact = Callable[..., CompiledArtifacts]


@pytest.fixture
def blobs(bus_settings: ChassisSettings) -> BlobStore:
    return open_blobs(bus_settings.blobs_url)


@pytest.fixture(autouse=True)
async def semantic(bus: Bus, bus_settings: ChassisSettings, tmp_path: Path) -> AsyncIterator[None]:
    service = create_app(
        {
            "FLOE_NATS_URL": bus_settings.nats_url,
            "FLOE_BLOBS_URL": str(bus_settings.blobs_url),
            "FLOE_WORK_DIR": str(tmp_path / "work"),
            "FLOE_HTTP_PORT": "0",
        }
    )
    await service.start()
    yield
    await service.stop()


async def stored(blobs: BlobStore, artifact: CompiledArtifacts, graph: NodeGraph) -> str:
    """The artifact as a dry run of the compiler leaves it: in the blob store, and nowhere else."""
    nodes = await blobs.put(canonical_json(graph.model_dump(mode="json")))
    environments = {
        name: environment.model_copy(update={"nodes": nodes}) for name, environment in artifact.environments.items()
    }
    return await blobs.put(artifact.model_copy(update={"environments": environments}).to_bytes())


async def rendered(bus: Bus, digest: str, environment: str = "prod") -> BundleRendered:
    request = RenderBundle(artifact_digest=digest)
    return await ask(bus, RENDER_BUNDLE, request, tenant="default", environment=environment)


async def test_an_artifact_is_rendered_and_nothing_is_told(
    bus: Bus, blobs: BlobStore, make_artifact: MakeArtifact, shop: NodeGraph
) -> None:
    artifact = make_artifact(dev={}, prod=PROD)
    digest = await stored(blobs, artifact, shop)
    answer = await rendered(bus, digest)
    bundle = render(artifact, shop, "prod")
    assert (answer.artifact_digest, answer.cubes, answer.views) == (digest, bundle.cubes, bundle.views)
    assert answer.skipped == bundle.skipped
    texts = {file.path: (await blobs.get(file.digest)).decode() for file in answer.files}
    assert texts == dict(bundle.files)
    assert (await rendered(bus, digest, "dev")).bundle_digest != answer.bundle_digest
    assert [message.subject async for message in read_stream(bus.js, EVENTS, f"{subjects.ROOT}.semantic.>")] == []


async def test_the_node_graph_is_read_beside_the_loop(
    blobs: BlobStore, shop: NodeGraph, make_artifact: MakeArtifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large one takes a second, in which Cube's polls are to be answered."""
    threads: list[threading.Thread] = []
    read = NodeGraph.read

    def noted(document: Any) -> NodeGraph:
        threads.append(threading.current_thread())
        return read(document)

    monkeypatch.setattr(NodeGraph, "read", noted)
    nodes = await blobs.put(canonical_json(shop.model_dump(mode="json")))
    await prepare(Rendering(blobs, None), make_artifact(prod={}, nodes={"prod": nodes}), "prod")
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


async def test_what_cannot_be_rendered_is_told_to_whoever_asked(
    bus: Bus, blobs: BlobStore, make_artifact: MakeArtifact, graph_of: Callable[..., NodeGraph], shop: NodeGraph
) -> None:
    artifact = make_artifact(prod=PROD)
    with pytest.raises(RequestRefused) as refused:
        await rendered(bus, await stored(blobs, artifact, shop), "prdo")
    assert (refused.value.problem.code, refused.value.problem.hint) == (NotServed.code, "did you mean 'prod'?")
    off = artifact.model_copy(update={"serving": Serving(cube=False)})
    with pytest.raises(RequestRefused) as refused:
        await rendered(bus, await stored(blobs, off, shop))
    assert refused.value.problem.code == NotServed.code
    with pytest.raises(RequestRefused) as refused:
        await rendered(bus, await stored(blobs, artifact, graph_of()))
    assert refused.value.problem.code == NothingToServe.code
    with pytest.raises(RequestFailed):
        await rendered(bus, digest_of(b"nobody has it"))
