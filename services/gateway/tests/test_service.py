"""The gateway as a service: exposure, probes, dead letters."""

from __future__ import annotations

import pytest

from floe_chassis.dead_letters import read_dead_letter
from floe_chassis.errors import SettingInvalid
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import eventually
from floe_chassis.topology import DLQ
from floe_contracts.events import SpecSubmitted
from floe_gateway.app import create_app
from floe_gateway.errors import GatewayOpen


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "gateway.example.com"])  # noqa: S104
def test_without_a_token_only_loopback_is_served(tmp_path, host) -> None:
    environment = {"FLOE_BLOBS_URL": tmp_path.as_uri(), "FLOE_HTTP_HOST": host}
    with pytest.raises(GatewayOpen, match="FLOE_GATEWAY_TOKEN") as refusal:
        create_app(environment)
    assert refusal.value.code == "FLOE-GATE-001"
    assert create_app(environment | {"FLOE_GATEWAY_TOKEN": "t"}).name == "gateway"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_loopback_needs_no_token(tmp_path, host) -> None:
    assert create_app({"FLOE_BLOBS_URL": tmp_path.as_uri(), "FLOE_HTTP_HOST": host}).name == "gateway"


@pytest.mark.parametrize("settings", [{"FLOE_GATEWAY_TOKEN": ""}, {"FLOE_BLOBS_URL": ""}])
def test_wrong_settings_are_named(tmp_path, settings) -> None:
    with pytest.raises(SettingInvalid, match=next(iter(settings))):
        create_app({"FLOE_BLOBS_URL": tmp_path.as_uri(), **settings})


@pytest.mark.bus
async def test_probes_answer(door) -> None:
    assert (await door.ask("GET", "/healthz"))[:2] == (200, {"alive": True, "ailments": []})
    assert (await door.ask("GET", "/readyz"))[:2] == (200, {"ready": True, "missing": {}})
    await door.service.bus.js.delete_consumer("FLOE_ADVISORIES", "gateway-dead-letters")
    status, answer, _ = await door.ask("GET", "/readyz")
    assert status == 503
    assert "gateway-dead-letters" in str(answer["missing"])


@pytest.mark.bus
async def test_a_message_that_the_server_gave_up_is_a_dead_letter(door, bus) -> None:
    event = SpecSubmitted(tenant="acme", product="orders", submission="s", bundle="sha256:" + "0" * 64)
    await bus.publish(event, id="orders:s:0")
    consumer = await bus.js.pull_subscribe_bind("compiler", "FLOE_SPECS")
    (message,) = await consumer.fetch(1, timeout=30)
    await message.term()

    async def letters() -> list[object]:
        found = [m async for m in read_stream(bus.js, DLQ, "floe.v1.dlq.>")]
        return [read_dead_letter(m.headers, m.data) for m in found]

    (letter,) = await eventually(letters)
    assert letter.subject == event.subject()
    assert letter.consumer == "compiler"
    assert letter.body == message.data
