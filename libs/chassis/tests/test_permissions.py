"""A service under exactly the rights that it needs, and what a missing right looks like."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import nkeys
import pytest

from floe_chassis.bus import Bus
from floe_chassis.errors import BusForbidden
from floe_chassis.leases import Lease
from floe_chassis.nats_server import NatsServer
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings
from floe_chassis.testing import eventually
from floe_chassis.topology import COMPILER, DLQ, SPECS, declared
from floe_chassis.topology_apply import apply
from floe_contracts.cloudevents import Received
from floe_contracts.errors import Permanent, Unreachable
from floe_contracts.events import ArtifactRejected, RunRequested, SpecSubmitted

DIGEST = "sha256:" + "0" * 64

CONFIG = """
accounts {{
  FLOE {{
    jetstream: enabled
    users: [
      {{ nkey: {admin} }}
      {{ nkey: {compiler}, permissions: {{
        publish: {{ allow: ["floe.v1.artifacts.>", "floe.v1.dlq.floe_5fspecs.compiler",
          "$JS.API.CONSUMER.INFO.FLOE_SPECS.compiler", "$JS.API.CONSUMER.MSG.NEXT.FLOE_SPECS.compiler",
          "$JS.ACK.FLOE_SPECS.compiler.>"] }}
        subscribe: {{ allow: ["_INBOX_compiler.>"] }} }} }}
      {{ nkey: {executor}, permissions: {{
        publish: {{ allow: ["$JS.API.STREAM.INFO.KV_floe_leases", "$JS.API.STREAM.MSG.GET.KV_floe_leases",
          "$KV.floe_leases.>"] }}
        subscribe: {{ allow: ["_INBOX_executor.>"] }} }} }}
    ]
  }}
}}
"""


@pytest.fixture
def seeds(tmp_path: Path) -> dict[str, Path]:
    files = {}
    for name in ("admin", "compiler", "executor"):
        files[name] = tmp_path / f"{name}.seed"
        files[name].write_bytes(nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER))
    return files


@pytest.fixture
def guarded(tmp_path: Path, seeds: dict[str, Path]) -> Iterator[NatsServer]:
    keys = {name: nkeys.from_seed(bytearray(path.read_bytes())).public_key.decode() for name, path in seeds.items()}
    server = NatsServer(tmp_path / "nats", config=CONFIG.format(**keys))
    server.start()
    yield server
    server.stop()


def settings_of(name: str, server: NatsServer, seeds: dict[str, Path]) -> ChassisSettings:
    return ChassisSettings(
        nats_url=server.url, nats_seed_file=seeds[name], publish_budget=8.0, lease_seconds=3.0, shutdown_grace=3.0
    )


@pytest.fixture
async def admin(guarded: NatsServer, seeds: dict[str, Path]) -> AsyncIterator[Bus]:
    bus = Bus("topology", settings_of("admin", guarded, seeds))
    await bus.connect(wait=False)
    await apply(bus, declared(bus.settings))
    yield bus
    await bus.close()


async def test_inbox_prefix_a_service_works_under_least_privilege(
    admin: Bus, guarded: NatsServer, seeds: dict[str, Path]
) -> None:
    async def handle(message: Received[SpecSubmitted]) -> None:
        if message.event.submission == "bad":
            raise Permanent("never")
        event = ArtifactRejected(tenant="default", product="shop", submission="s", stage="parse", problems=())
        await service.bus.publish(event, id="rejected", cause=message.attributes)

    service = Service("compiler", settings_of("compiler", guarded, seeds))
    service.subscribe(COMPILER, SpecSubmitted, handle, concurrency=2)
    await service.start()
    for submission in ("good", "bad"):
        event = SpecSubmitted(tenant="default", product="shop", submission=submission, bundle=DIGEST)
        await admin.publish(event, id=submission)

    async def done() -> bool:
        info = await admin.js.consumer_info(SPECS, COMPILER)
        return info.ack_floor is not None and info.ack_floor.stream_seq == 2

    await eventually(done)
    assert (await admin.js.stream_info("FLOE_ARTIFACTS")).state.messages == 1
    assert (await admin.js.stream_info(DLQ)).state.messages == 1
    assert service.bus.forbidden == []
    assert set((await service.readiness()).values()) == {"ok"}
    await service.stop()


async def test_a_refused_publish_is_an_error_and_fails_readiness(
    admin: Bus, guarded: NatsServer, seeds: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    service = Service("compiler", settings_of("compiler", guarded, seeds))
    await service.start()
    event = RunRequested(
        tenant="default", environment="dev", product="shop", artifact_digest=DIGEST, requester="r", reason="r"
    )
    started = time.monotonic()
    with pytest.raises(BusForbidden, match=r"may not publish on floe\.v1\.run\.requested"):
        await service.bus.publish(event, id="run")
    assert time.monotonic() - started < 15  # of the 30 s that it tries again for
    assert "ermissions" in (await service.readiness())["bus"]
    assert "bus.forbidden" in capsys.readouterr().out
    assert (await admin.js.stream_info("FLOE_RUNS")).state.messages == 0
    await service.stop()


async def test_leases_need_their_bucket_alone(admin: Bus, guarded: NatsServer, seeds: dict[str, Path]) -> None:
    settings = settings_of("executor", guarded, seeds)
    bus = Bus("executor", settings)
    await bus.connect(wait=False)
    lease = await Lease.acquire(bus, settings, "default.dev.shop")
    assert lease is not None
    await lease.verify()
    await lease.release()
    again = await Lease.acquire(bus, settings, "default.dev.shop")
    assert again is not None
    assert again.token > lease.token
    await again.release()
    assert bus.forbidden == []
    await bus.close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl")
async def test_the_certificate_authority_of_the_settings_is_trusted_and_no_other(tmp_path: Path) -> None:
    key, certificate = tmp_path / "s.key", tmp_path / "s.pem"
    subject = ["-subj", "/CN=floe", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject]
    making = await asyncio.create_subprocess_exec(
        *command, "-keyout", str(key), "-out", str(certificate), stderr=asyncio.subprocess.DEVNULL
    )
    assert await making.wait() == 0
    tls = f'tls {{ cert_file: "{certificate}", key_file: "{key}" }}'
    server = NatsServer(tmp_path / "nats", config=tls)
    server.start()
    url = server.url.replace("nats://", "tls://")
    trusting = Bus("cli", ChassisSettings(nats_url=url, nats_ca_file=certificate))
    await trusting.connect(wait=False)
    assert trusting.connected
    await trusting.close()
    with pytest.raises(Unreachable, match="certificate verify failed"):
        await Bus("cli", ChassisSettings(nats_url=url)).connect(wait=False)
    server.stop()
