"""A real nats-server with the generated configuration, external subscribers in it, and its keys."""

from __future__ import annotations

import contextlib
import importlib
import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from floe_chassis.bus import Bus
from floe_chassis.nats_server import HOST, find_binary
from floe_chassis.settings import ChassisSettings
from floe_chassis.testing import eventually, free_port
from floe_chassis.topology import declared
from floe_chassis.topology_apply import apply
from floe_contracts.openlineage.envelope import content_id, message_headers, message_subject, read_envelope
from floe_contracts.openlineage.naming import Place
from floe_contracts.subscribers import read_subscribers

FOLDER = Path(__file__).parents[2] / "deploy" / "nats"


def script(name: str) -> ModuleType:
    """A script of deploy/nats, as a module."""
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(FOLDER))


class SubscribedBus:
    """The server, on ports of its own.

    Attributes:
        keys: folder with the seeds.
        topology: what the operator declares.
    """

    def __init__(self, folder: Path, subscribers: Sequence[str]) -> None:
        self.folder = folder
        self.keys = folder / "keys"
        self.port, self.websocket_port = free_port(), free_port()
        named = read_subscribers(subscribers)
        self.topology = declared(ChassisSettings(), ["file"], named)
        script("generate_keys").generate(self.keys, [item.name for item in named])
        options = [f"--subscriber={text}" for text in subscribers]
        options += [f"--websocket-plain={self.websocket_port}", "--output", str(folder / "nats-server.conf")]
        assert script("generate_config").main(options) == 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://{HOST}:{self.port}"

    @property
    def websocket_url(self) -> str:
        return f"ws://{HOST}:{self.websocket_port}"

    def seed(self, identity: str) -> Path:
        return self.keys / f"{identity}.seed"

    def settings(self, identity: str) -> ChassisSettings:
        return ChassisSettings(nats_url=self.url, nats_seed_file=self.seed(identity), publish_budget=30.0, http_port=0)

    async def start(self) -> None:
        environment = dict(line.split("=", 1) for line in (self.keys / "nats.env").read_text().splitlines())
        places = ["-a", HOST, "-p", str(self.port), "-m", str(free_port()), "-l", str(self.folder / "log")]
        command = [find_binary(), "-c", str(self.folder / "nats-server.conf"), *places]
        store = {"FLOE_NATS_STORE": str(self.folder / "store")}
        self._process = subprocess.Popen(command, env=environment | store)  # noqa: ASYNC220 - returns at once
        await eventually(self._answers)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def connected(self, identity: str) -> Bus:
        bus = Bus(identity, self.settings(identity))
        await bus.connect(wait=False)
        return bus

    async def apply(self) -> None:
        """What `floe topology apply --subscriber ...` does."""
        operator = await self.connected("operator")
        await apply(operator, self.topology)
        await operator.close()

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), timeout=1) as connection:
            return connection.recv(4) == b"INFO"
        return False


def told(number: int) -> dict[str, object]:
    """An OpenLineage event."""
    return {
        "eventType": "COMPLETE",
        "eventTime": "2026-11-21T10:00:00Z",
        "producer": "https://example.com/loader",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": f"0192f0a4-1b2c-7d3e-8f40-{number:012x}"},
        "job": {"namespace": "loader", "name": f"orders {number}"},
    }


async def tell(bus: Bus, number: int, tenant: str = "acme", environment: str = "prod", product: str = "orders") -> int:
    """Publish event `number`; its sequence in the stream."""
    event = told(number)
    envelope, body = read_envelope(event), json.dumps(event).encode()
    subject = message_subject(envelope, Place(tenant, environment, product))
    identity = f"{tenant}-{content_id(envelope, body)}"
    return (await bus.publish_raw(subject, body, message_headers(envelope), identity)).seq or 0
