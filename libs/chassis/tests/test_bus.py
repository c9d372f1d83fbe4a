"""Connecting and publishing."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from floe_chassis.bus import Bus
from floe_chassis.errors import BusClosed, MessageTooLarge, PublishRefused, SettingInvalid, TopologyMissing
from floe_chassis.nats_server import NatsServer
from floe_chassis.settings import ChassisSettings
from floe_chassis.testing import eventually
from floe_chassis.topology import SPECS
from floe_contracts.cloudevents import decode
from floe_contracts.errors import Unreachable
from floe_contracts.events import SpecSubmitted

DIGEST = "sha256:" + "0" * 64


def submission(number: int = 0, product: str = "shop") -> SpecSubmitted:
    return SpecSubmitted(tenant="default", product=product, submission=f"s{number}", bundle=DIGEST)


async def test_an_event_is_stored_with_its_envelope_and_its_cause(bus: Bus) -> None:
    first = await bus.publish(submission(1), id="shop:1")
    stored = await bus.js.get_msg(SPECS, first.seq)
    cause = decode(stored.subject, stored.headers, stored.data)
    second = await bus.publish(submission(2), id="shop:2", cause=cause.attributes)
    stored = await bus.js.get_msg(SPECS, second.seq)
    received = decode(stored.subject, stored.headers, stored.data)
    assert received.event == submission(2)
    assert received.attributes.source == "floe/test"
    assert received.attributes.causeid == "shop:1"
    assert stored.headers["Nats-Msg-Id"] == "shop:2"


async def test_the_same_id_is_stored_once(bus: Bus) -> None:
    first = await bus.publish(submission(), id="shop:s")
    again = await bus.publish(submission(), id="shop:s")
    assert not first.duplicate
    assert again.duplicate
    assert again.seq == first.seq


async def test_an_absent_server_is_unreachable_at_once_for_who_does_not_wait(bus_settings: ChassisSettings) -> None:
    absent = bus_settings.model_copy(update={"nats_url": "nats://user:hush@127.0.0.1:9,nats://127.0.0.1:10"})
    bus = Bus("cli", absent)
    started = time.monotonic()
    with pytest.raises(Unreachable, match="no bus answers") as caught:
        await bus.connect(wait=False)
    assert time.monotonic() - started < 20
    assert "floe up" in (caught.value.hint or "")
    assert "hush" not in str(caught.value)
    assert not bus.connected
    await bus.close()


async def test_the_second_server_of_a_list_is_tried(bus_settings: ChassisSettings) -> None:
    bus = Bus("cli", bus_settings.model_copy(update={"nats_url": f"nats://127.0.0.1:9,{bus_settings.nats_url}"}))
    await bus.connect(wait=False)
    assert bus.connected
    await bus.close()


async def test_wrong_credentials_are_told_apart_from_an_absent_server(
    bus_settings: ChassisSettings, nats_server: NatsServer
) -> None:
    bus = Bus("cli", bus_settings.model_copy(update={"nats_url": f"nats://nobody:x@127.0.0.1:{nats_server.port}"}))
    with pytest.raises(Unreachable, match="does not let cli in"):
        await bus.connect(wait=False)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nats_url", "http://bus:4222"),
        ("nats_seed_file", "absent"),
        ("nats_seed_file", "wrong"),
        ("nats_ca_file", "absent"),
    ],
)
async def test_a_setting_that_cannot_be_used_is_named(
    bus_settings: ChassisSettings, tmp_path: Path, field: str, value: str
) -> None:
    (tmp_path / "wrong").write_text("not a seed")
    usable = value if field == "nats_url" else tmp_path / value
    with pytest.raises(SettingInvalid, match=f"FLOE_{field.upper()}"):
        await Bus("cli", bus_settings.model_copy(update={field: usable})).connect(wait=False)


async def test_endless_reconnect_connects_quietly_when_the_server_comes_late(
    bus_settings: ChassisSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = NatsServer(tmp_path / "late")
    server.start()
    server.kill()
    bus = Bus("compiler", bus_settings.model_copy(update={"nats_url": server.url}))
    connecting = asyncio.create_task(bus.connect())
    await asyncio.sleep(1.2)
    assert not connecting.done()
    server.start()
    await asyncio.wait_for(connecting, 60)
    assert bus.connected
    await bus.close()
    server.stop()
    assert capsys.readouterr().out.count("bus.error") == 1


async def test_closing_is_quick_and_quiet_while_the_server_is_away(own_server: NatsServer, own_bus: Bus) -> None:
    own_server.kill()
    await eventually(lambda: not own_bus.connected)
    started = time.monotonic()
    await own_bus.close()
    assert time.monotonic() - started < 10
    assert not own_bus.connected


async def test_publish_over_an_outage_is_stored_exactly_once(own_server: NatsServer, own_bus: Bus) -> None:
    await own_bus.publish(submission(0), id="shop:0")
    own_server.kill()
    publishing = [asyncio.create_task(own_bus.publish(submission(n), id=f"shop:{n}")) for n in range(1, 6)]
    await eventually(lambda: not own_bus.connected)
    publishing.append(asyncio.create_task(own_bus.publish(submission(6), id="shop:6")))
    own_server.start()
    await asyncio.wait_for(asyncio.gather(*publishing), 30)
    assert (await own_bus.js.stream_info(SPECS)).state.messages == 7


async def test_publish_gives_up_when_its_budget_is_spent(own_server: NatsServer, own_settings: ChassisSettings) -> None:
    bus = Bus("test", own_settings.model_copy(update={"publish_budget": 0.5}))
    await bus.connect()
    with pytest.raises(Unreachable, match="floe topology apply"):
        await bus.publish(submission(), id="shop:s")
    own_server.kill()
    await eventually(lambda: not bus.connected)
    with pytest.raises(Unreachable, match=r"within 0\.5 s"):
        await bus.publish(submission(), id="shop:s")
    await bus.close()


async def test_a_message_over_the_limit_is_refused_before_the_server_cuts_the_connection(bus: Bus) -> None:
    with pytest.raises(MessageTooLarge):
        await bus.publish_raw("floe.v1.lineage.a", b"x" * 1_048_500, {"a": "y" * 200}, "large")
    assert bus.connected
    assert not bus.lost.is_set()


async def test_a_refusal_of_the_stream_is_not_tried_again(bus: Bus) -> None:
    started = time.monotonic()
    with pytest.raises(PublishRefused, match="10071"):
        await bus.publish_raw("floe.v1.lineage.a.b", b"x", {"Nats-Expected-Last-Subject-Sequence": "7"}, "wrong")
    assert time.monotonic() - started < 15  # of the 30 s that it tries again for


async def test_a_bucket_that_is_not_there_is_named(bus: Bus) -> None:
    with pytest.raises(TopologyMissing, match="floe_nothing"):
        await bus.key_value("floe_nothing")
    assert await bus.key_value("floe_runs") is await bus.key_value("floe_runs")


async def test_a_bus_that_is_not_connected_says_so(bus_settings: ChassisSettings) -> None:
    with pytest.raises(BusClosed, match="not connected"):
        _ = Bus("test", bus_settings).js


async def test_the_address_for_people_has_no_password() -> None:
    assert Bus("test", ChassisSettings(nats_url="nats://u:p@a:1,b")).address == "nats://a:1,nats://b:4222"
