"""A real OpenLineage server that misbehaves on demand, and the service beside it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from floe_chassis.bus import Bus
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import all_handled
from floe_chassis.topology import DLQ, Topology, declared
from floe_chassis.topology_apply import apply
from floe_contracts import subjects
from floe_contracts.openlineage.envelope import ROOT_RUN_HEADER
from floe_lineage.app import create_app

Behaviour = Callable[[list[Any]], Awaitable[web.Response | None]]


class Receiver:
    """Takes lineage over HTTP; `behave` decides about each request, and None means that all is well."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.requests: list[web.Request] = []
        self.url = ""
        self.behave: Behaviour = self._well

    async def _well(self, _: list[Any]) -> None:
        return None

    async def _handle(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        document = json.loads(await request.read())
        events = document if isinstance(document, list) else [document]
        answer = await self.behave(events)
        if answer is None:
            self.taken += events
            return web.Response(status=204 if len(events) > 1 else 201)
        return answer

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Receiver]:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/api/v1/lineage", self._handle)
        app.router.add_post("/api/v1/lineage/batch", self._handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver().serving() as serving:
        yield serving


@pytest.fixture
def lineage_topology(bus_settings: ChassisSettings) -> Topology:
    """The consumers of both backends, which wait for a dead forwarder for a second only."""
    return declared(bus_settings.model_copy(update={"ack_wait": 1.0}), ["file", "http"])


@pytest.fixture
async def lineage_bus(bus: Bus, lineage_topology: Topology) -> Bus:
    """The bus with the consumers of both backends."""
    await apply(bus, lineage_topology)
    return bus


@pytest.fixture
def environment(bus_settings: ChassisSettings, tmp_path: Path) -> dict[str, str]:
    """The environment of a lineage service with a file of its own."""
    return {
        "FLOE_NATS_URL": bus_settings.nats_url,
        "FLOE_HTTP_PORT": "0",
        "FLOE_SHUTDOWN_GRACE": "5",
        "FLOE_LINEAGE_BACKENDS": "file",
        "FLOE_LINEAGE_FILE": str(tmp_path / "lineage" / "events.jsonl"),
    }


@pytest.fixture
def to_receiver(environment: dict[str, str], receiver: Receiver) -> Callable[[bool], dict[str, str]]:
    """The environment of a service that forwards to the receiver, in batches or one by one."""

    def build(batch: bool) -> dict[str, str]:
        return environment | {
            "FLOE_LINEAGE_BACKENDS": "http",
            "FLOE_LINEAGE_HTTP_URL": receiver.url,
            "FLOE_LINEAGE_HTTP_BATCH": str(batch),
            "FLOE_LINEAGE_HTTP_TOKEN": "secret-token",
        }

    return build


@pytest.fixture
def running() -> Callable[[dict[str, str]], Any]:
    """Runs the service inside a block."""

    @asynccontextmanager
    async def run(environment: dict[str, str]) -> AsyncIterator[Service]:
        service = create_app(environment)
        await service.start()
        try:
            yield service
        finally:
            await service.stop()

    return run


@pytest.fixture
def runs() -> Callable[[range], list[dict[str, Any]]]:
    """START and COMPLETE of so many runs, each run's pair apart by three other events."""

    def build(numbers: range) -> list[dict[str, Any]]:
        events = []
        for number in numbers:
            for kind, run in (("START", number), ("COMPLETE", number - 2)):
                if run in numbers:
                    events.append(_event(kind, run))
        return events + [_event("COMPLETE", run) for run in numbers[-2:]]

    return build


def _event(kind: str, run: int) -> dict[str, Any]:
    return {
        "eventType": kind,
        "eventTime": "2026-01-01T00:00:00Z",
        "run": {"runId": f"run-{run}"},
        "job": {"namespace": "floe://default/dev", "name": "orders.model"},
    }


@pytest.fixture
def publish(lineage_bus: Bus) -> Callable[[Iterable[Any]], Awaitable[None]]:
    """Publishes events (JSON values, or bytes as they are) to the lineage stream, in order."""

    async def send(events: Iterable[Any]) -> None:
        for event in events:
            body = event if isinstance(event, bytes) else json.dumps(event).encode()
            kind = event["eventType"] if isinstance(event, dict) else "OTHER"
            run = event["run"]["runId"] if isinstance(event, dict) else body.hex()[:40]
            subject = subjects.lineage("default", "dev", "orders", "orders.model", kind)
            headers = {ROOT_RUN_HEADER: run} if isinstance(event, dict) else {}
            await lineage_bus.publish_raw(subject, body, headers, f"{run}:{kind}")

    return send


@pytest.fixture
def dead_letters(lineage_bus: Bus) -> Callable[[], Awaitable[list[Any]]]:
    """The dead letters of the lineage stream by now."""

    async def read() -> list[Any]:
        return [message async for message in read_stream(lineage_bus.js, DLQ, "floe.v1.dlq.floe_5flineage.>")]

    return read


@pytest.fixture
def settled(lineage_bus: Bus) -> Callable[[str], Awaitable[bool]]:
    """Whether the consumer of a backend has nothing left to deliver and nothing in flight."""

    async def check(backend: str) -> bool:
        return await all_handled(lineage_bus, "FLOE_LINEAGE", f"lineage-{backend}")

    return check


@pytest.fixture
def well_ordered() -> Callable[[list[dict[str, Any]]], bool]:
    """Whether no COMPLETE comes before the first START of its run."""

    def check(events: list[dict[str, Any]]) -> bool:
        started: set[str] = set()
        for event in events:
            run = event["run"]["runId"]
            if event["eventType"] == "START":
                started.add(run)
            elif run not in started:
                return False
        return True

    return check
