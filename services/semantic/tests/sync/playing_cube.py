"""A client that plays Cube's part: asks for bundles, and says whether it serves them; and what gives it bundles."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp

from floe_chassis.blobs import BlobStore
from floe_chassis.bus import Bus
from floe_chassis.service import Service
from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.digests import canonical_json
from floe_contracts.events import ArtifactCompiled, ArtifactRetired, SourceReference
from floe_contracts.nodes import NodeGraph
from floe_contracts.openlineage.naming import Place

PROD = Place("default", "prod", "shop")

Start: TypeAlias = Callable[..., contextlib.AbstractAsyncContextManager[Service]]
Answer = tuple[int, Any, Any]


class PlayedCube:
    """One Cube that asks one semantic service."""

    def __init__(self, session: aiohttp.ClientSession, address: str, instance: str = "cube-1", **query: str) -> None:
        self.address = address
        self.session = session
        self.instance = instance
        self.query = query
        self.token: str | None = None
        self.tag: str | None = None
        self.serving: str | None = None
        self.bundle: dict[str, Any] = {}

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        """Status, document and headers of an answer."""
        headers = options.pop("headers", {})
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        async with self.session.request(method, self.address + path, headers=headers, **options) as answer:
            text = await answer.text()
            document = await answer.json() if text.startswith(("{", "[")) else text
            return answer.status, document, answer.headers

    async def poll(self) -> int:
        """Ask for the bundle as cube.js does; the status."""
        headers = {"X-Floe-Cube-Instance": self.instance, "X-Floe-Cube-Serving": self.serving or ""}
        if self.tag:
            headers["If-None-Match"] = self.tag
        status, document, answered = await self.ask("GET", "/v1/cube/bundle", params=self.query, headers=headers)
        if status == 200:
            self.bundle, self.tag = document, answered["ETag"]
        return status

    async def say(self, outcome: str, cubes: dict[str, list[str]] | None = None, **more: Any) -> Answer:
        """Give a verdict about the bundle that came last."""
        verdict = {
            "version": "1.0",
            "instance": self.instance,
            "environment": self.bundle.get("environment"),
            "product": self.bundle.get("product"),
            "bundle_digest": self.bundle.get("bundle_digest"),
            "outcome": outcome,
            "error": None,
            "cubes": cubes or {},
            **more,
        }
        headers = {"If-Match": self.tag} if self.tag else {}
        return await self.ask("POST", "/v1/cube/verdicts", json=verdict, headers=headers)

    async def run(self, shown: Callable[[PlayedCube], Awaitable[dict[str, list[str]]]]) -> None:
        """Do what cube.js does until it is cancelled: poll, prove what is new, serve it once that is agreed."""
        verdict: tuple[str, dict[str, list[str]]] | None = None
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                if verdict is None and await self.poll() == 200 and self.bundle["bundle_digest"] != self.serving:
                    verdict = (self.bundle["bundle_digest"], await shown(self))
                if verdict is not None:
                    status, document, _ = await self.say("served", verdict[1])
                    if status == 200 and document["outcome"] == "served":
                        self.serving = verdict[0]
                    if status < 500:
                        verdict = None
            await asyncio.sleep(0.05)

    async def serve(self, shown: dict[str, list[str]]) -> None:
        """Serve the bundle that came last, showing these members."""
        status, document, _ = await self.say("served", shown)
        assert (status, document["outcome"]) == (200, "served"), document
        self.serving = self.bundle["bundle_digest"]


@dataclass
class Publisher:
    """Publishes artifacts of the shop."""

    bus: Bus
    blobs: BlobStore
    make_artifact: Callable[..., CompiledArtifacts]
    folder: Path

    async def graph(self, graph: NodeGraph) -> str:
        return await self.blobs.put(canonical_json(graph.model_dump(mode="json")))

    async def compiled(
        self,
        cause: str,
        graph: NodeGraph,
        source: SourceReference | None = None,
        refs: dict[str, tuple[str, ...]] | None = None,
        **more: Any,
    ) -> str:
        """Announce an artifact with `graph` in every environment; its digest."""
        environments = more.pop("environments", {"prod": {}})
        nodes = dict.fromkeys(environments, more.pop("stored", None) or await self.graph(graph))
        artifact = self.make_artifact(nodes=nodes, **environments, **more)
        if refs is not None:
            mapped = {
                name: item.model_copy(update={"refs": refs[name]}) for name, item in artifact.environments.items()
            }
            artifact = artifact.model_copy(update={"environments": mapped})
        await self.blobs.put(artifact.to_bytes())
        event = ArtifactCompiled(
            tenant="default",
            product="shop",
            submission=cause,
            artifact_digest=artifact.digest(),
            artifact=artifact.to_document(),
            seconds=0.1,
            source=source,
        )
        await self.bus.publish(event, id=cause)
        return artifact.digest()

    async def retired(self, cause: str) -> None:
        event = ArtifactRetired(tenant="default", product="shop", submission=cause, reason="removed")
        await self.bus.publish(event, id=cause)


async def polled(cube: PlayedCube, status: int) -> bool:
    """Whether a poll is answered so."""
    return await cube.poll() == status
