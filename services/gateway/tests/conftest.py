"""A gateway on a real bus, a real blob store and a free port, and products to submit."""

from __future__ import annotations

import io
import tarfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from floe_chassis.bus import Bus
from floe_chassis.http_server import HttpServer
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings
from floe_chassis.stream_reader import read_stream
from floe_chassis.topology import SPECS
from floe_contracts.cloudevents import Received, decode
from floe_gateway.app import create_app

FLOE_YAML = """\
apiVersion: floe.dev/v1
kind: FloeSpec
metadata: {name: orders, version: 1.0.0, owner: shop@example.com}
transforms:
  - {type: dbt, path: dbt}
"""


@pytest.fixture
def product() -> dict[str, bytes]:
    """The files of a product, by path."""
    return {
        "floe.yaml": FLOE_YAML.encode(),
        "dbt/dbt_project.yml": b"name: orders\n",
        "dbt/models/orders.sql": b"select 1 as id\n",
    }


@pytest.fixture
def packed() -> Callable[..., bytes]:
    """A gzipped tar archive of files, and of further entries made by hand."""

    def pack(files: dict[str, bytes], *further: tarfile.TarInfo) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for path, content in files.items():
                entry = tarfile.TarInfo(path)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
            for entry in further:
                archive.addfile(entry, io.BytesIO(b"\0" * max(entry.size, 0)))
        return buffer.getvalue()

    return pack


@pytest.fixture
def environment(bus_settings: ChassisSettings) -> dict[str, str]:
    """The environment of a gateway."""
    return {
        "FLOE_NATS_URL": bus_settings.nats_url,
        "FLOE_BLOBS_URL": str(bus_settings.blobs_url),
        "FLOE_TENANT": "acme",
        "FLOE_HTTP_PORT": "0",
        "FLOE_SHUTDOWN_GRACE": "3",
    }


class Client:
    """Speaks HTTP with one gateway."""

    def __init__(self, session: aiohttp.ClientSession, service: Service) -> None:
        self.service = service
        self._session = session

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any, Any]:
        """Status, JSON and headers of the answer."""
        async with self._session.request(method, f"{self.service.http_address}{path}", **options) as response:
            return response.status, await response.json(), response.headers

    async def send(self, method: str, path: str, **options: Any) -> tuple[int, bytes, Any]:
        """Status, body and headers of the answer."""
        async with self._session.request(method, f"{self.service.http_address}{path}", **options) as response:
            return response.status, await response.read(), response.headers

    async def submit(self, body: Any, headers: dict[str, str] | None = None) -> tuple[int, Any, Any]:
        return await self.ask(
            "POST", "/v1/specs", data=body, headers={"Content-Type": "application/gzip", **(headers or {})}
        )


@pytest.fixture
def gateway() -> Callable[[dict[str, str]], Any]:
    """Runs a gateway inside a block."""

    @asynccontextmanager
    async def run(environment: dict[str, str]) -> AsyncIterator[Client]:
        service = create_app(environment)
        async with HttpServer(service), aiohttp.ClientSession() as session:
            await service.start()
            try:
                yield Client(session, service)
            finally:
                await service.stop()

    return run


@pytest.fixture
async def door(
    bus: Bus, gateway: Callable[[dict[str, str]], Any], environment: dict[str, str]
) -> AsyncIterator[Client]:
    """A gateway without a token, on loopback."""
    async with gateway(environment) as client:
        yield client


@pytest.fixture
def submitted(bus: Bus) -> Callable[[], Any]:
    """The submissions on the bus by now."""

    async def read() -> list[Received[Any]]:
        messages = [message async for message in read_stream(bus.js, SPECS, "floe.v1.spec.submitted.>")]
        return [decode(message.subject, message.headers, message.data) for message in messages]

    return read
