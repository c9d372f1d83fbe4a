"""The declared topology, and bringing it onto a bus."""

from __future__ import annotations

import json

import pytest
from nats.js.api import StreamConfig

from floe_chassis.bus import Bus
from floe_chassis.errors import TopologyConflict
from floe_chassis.nats_server import NatsServer
from floe_chassis.settings import ChassisSettings
from floe_chassis.testing import eventually
from floe_chassis.topology import ADVISORIES, ARTIFACTS, LINEAGE, SPECS, Topology, consumer, declared
from floe_chassis.topology_apply import Change, apply
from floe_contracts import subjects
from floe_contracts.errors import ContractError, Unreachable
from floe_contracts.subjects import EventKind, EventSubject

SETTINGS = ChassisSettings(ack_wait=7, max_deliver=3, lease_seconds=11)


def matches(pattern: str, subject: str) -> bool:
    want, have = pattern.split("."), subject.split(".")
    if want[-1] == ">":
        want = want[:-1]
        if len(have) <= len(want):
            return False
        have = have[: len(want)]
    return len(want) == len(have) and all(w in ("*", h) for w, h in zip(want, have, strict=True))


def every_subject() -> list[str]:
    names = {"tenant": "t", "environment": "e", "product": "p", "detail": "d", "repository": "r"}
    events = [str(EventSubject(kind, **names)) for kind in EventKind]
    return [*events, subjects.lineage("t", "e", "p", "j", "START"), subjects.dead_letter(SPECS, "compiler")]


@pytest.mark.parametrize("subject", every_subject())
def test_every_subject_has_exactly_one_stream(subject: str) -> None:
    streams = [s.name for s in declared(SETTINGS).streams if any(matches(p, subject) for p in s.subjects)]
    assert len(streams) == 1


def test_every_consumer_filters_within_its_stream_and_is_finite_except_for_lineage() -> None:
    topology = declared(SETTINGS, ["marquez", "Data Hub"])
    streams = {stream.name: stream for stream in topology.streams}
    names = [item.name for item in topology.consumers]
    assert len(set(names)) == len(names)
    for item in topology.consumers:
        assert item.filters
        assert item.ack_wait == 7
        for pattern in item.filters:
            assert any(pattern == s or matches(s, pattern) for s in streams[item.stream].subjects), item
        assert item.max_deliver == (-1 if item.stream == LINEAGE else 3)
        assert consumer(item.name, SETTINGS) == item
    limited = {item.name: item.max_ack_pending for item in topology.consumers if item.max_ack_pending is not None}
    lineage = {"lineage-graph": 256, "lineage-marquez": 256, "lineage-_44ata_20_48ub": 256}
    assert limited == {"compiler": 1, "executor": 1, **lineage}


def test_no_backend_takes_the_name_of_floes_own_reader() -> None:
    with pytest.raises(ContractError, match="no lineage backend can be called 'graph'"):
        declared(SETTINGS, ["graph"])


def test_a_consumer_that_is_not_declared_is_an_error() -> None:
    with pytest.raises(ContractError, match="no consumer 'nobody'"):
        consumer("nobody", SETTINGS)


async def test_applying_creates_then_changes_nothing(bus_settings: ChassisSettings, bus: Bus) -> None:
    topology = declared(bus_settings, ["marquez"])
    changes = await apply(bus, topology)
    assert [c.name for c in changes if c.action == "created"] == ["lineage-marquez"]
    assert {c.action for c in await apply(bus, topology)} == {"unchanged"}
    assert len(changes) == len(topology.streams) + len(topology.consumers) + len(topology.buckets)


async def test_a_dry_run_tells_and_does_nothing(bus_settings: ChassisSettings) -> None:
    bus = Bus("cli", bus_settings)
    await bus.connect(wait=False)
    changes = await apply(bus, declared(bus_settings), dry_run=True)
    assert {change.action for change in changes} == {"created"}
    assert (await bus.js.account_info()).streams == 0
    await bus.close()


async def test_consumer_drift_is_detected_and_mended(bus_settings: ChassisSettings, bus: Bus) -> None:
    longer = declared(bus_settings.model_copy(update={"ack_wait": 9.0, "max_deliver": 2}))
    wanted = Topology((), tuple(c for c in longer.consumers if c.name == "compiler"), ())
    change = Change("consumer", "compiler", "updated", {"ack_wait": (2.0, 9.0), "max_deliver": (5, 2)})
    assert await apply(bus, wanted, dry_run=True) == [change]
    assert await apply(bus, wanted) == [change]
    info = await bus.js.consumer_info(SPECS, "compiler")
    assert (info.config.ack_wait, info.config.max_deliver) == (9.0, 2)


async def test_filter_drift_is_detected(bus_settings: ChassisSettings, bus: Bus) -> None:
    body = json.loads((await bus.nc.request("$JS.API.CONSUMER.INFO.FLOE_SPECS.compiler", b"")).data)
    loose = {"stream_name": SPECS, "config": {**body["config"], "filter_subjects": []}, "action": "update"}
    await bus.nc.request("$JS.API.CONSUMER.CREATE.FLOE_SPECS.compiler", json.dumps(loose).encode())
    changed = [c for c in await apply(bus, declared(bus_settings)) if c.action != "unchanged"]
    assert changed == [
        Change(
            "consumer",
            "compiler",
            "updated",
            {"filter_subjects": (None, ["floe.v1.spec.submitted.>", "floe.v1.git.pushed.>"])},
        )
    ]


async def test_what_the_topology_does_not_declare_is_left_alone(bus_settings: ChassisSettings, bus: Bus) -> None:
    config = (await bus.js.stream_info(SPECS)).config
    await bus.js.update_stream(config.evolve(description="ours", max_bytes=10_000_000, max_age=7200.0))
    changes = [c for c in await apply(bus, declared(bus_settings)) if c.action != "unchanged"]
    assert [(c.name, dict(c.fields)) for c in changes] == [(SPECS, {"max_age": (7200.0, 30 * 86400.0)})]
    config = (await bus.js.stream_info(SPECS)).config
    assert (config.description, config.max_bytes) == ("ours", 10_000_000)


async def test_what_the_server_does_not_change_in_place_is_an_error(bus_settings: ChassisSettings) -> None:
    bus = Bus("cli", bus_settings)
    await bus.connect(wait=False)
    await bus.js.add_stream(StreamConfig(name=ADVISORIES, subjects=["other"], storage="memory"))
    with pytest.raises(TopologyConflict, match="storage 'memory' -> 'file'") as caught:
        await apply(bus, declared(bus_settings))
    assert "apply again" in (caught.value.hint or "")
    await bus.close()


async def test_deliver_policy_cannot_be_changed_in_place(bus_settings: ChassisSettings, bus: Bus) -> None:
    await bus.js.delete_consumer(ARTIFACTS, "semantic")
    await bus.js.pull_subscribe("floe.v1.artifacts.compiled.>", durable="semantic", stream=ARTIFACTS)
    with pytest.raises(TopologyConflict, match="consumer semantic: deliver policy"):
        await apply(bus, declared(bus_settings))


async def test_an_absent_bus_is_unreachable(own_server: NatsServer, own_bus: Bus) -> None:
    own_server.kill()
    await eventually(lambda: not own_bus.connected)
    with pytest.raises(Unreachable):
        await apply(own_bus, declared(own_bus.settings))
