"""The pull loops: no spinning, no piling up, nothing declared, nothing lost at a stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from floe_chassis.bus import Bus
from floe_chassis.nats_server import NatsServer
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings
from floe_chassis.testing import eventually
from floe_chassis.topology import COMPILER, EXECUTOR_CANCELLATIONS, RUNS, SPECS, Topology, declared
from floe_chassis.topology_apply import apply
from floe_contracts.cloudevents import Received
from floe_contracts.events import CancellationRequested, SpecSubmitted

Submit = Callable[..., Awaitable[int]]
Start = Callable[..., Awaitable[Service]]
Message = Received[SpecSubmitted]

DIGEST = "sha256:" + "0" * 64
LONGEST_HOLD = 0.3


async def ignore(_: Message) -> None:
    pass


async def cpu_of(seconds: float) -> tuple[float, float]:
    """CPU seconds that this process uses, and the longest time that the event loop was held up.

    Looked for again where that was long: a busy machine holds it up too, but not every time.
    """
    for _ in range(5):
        started, longest = time.process_time(), 0.0
        deadline = time.monotonic() + seconds
        while (asked := time.monotonic()) < deadline:
            await asyncio.sleep(0.02)
            longest = max(longest, time.monotonic() - asked - 0.02)
        used = time.process_time() - started
        if longest < LONGEST_HOLD:
            break
    return used, longest


async def test_pull_guard_a_deleted_consumer_costs_no_cpu_and_readiness_tells(
    bus: Bus, bus_settings: ChassisSettings, compiler: Start, submit: Submit, capsys: pytest.CaptureFixture[str]
) -> None:
    handled = []

    async def handle(message: Message) -> None:
        handled.append(message)

    service = await compiler(handle)
    await bus.js.delete_consumer(SPECS, COMPILER)
    await eventually(lambda: "the consumer is gone" in capsys.readouterr().out)
    used, longest = await cpu_of(1.5)
    assert used < 0.4
    assert longest < LONGEST_HOLD
    assert "no consumer 'compiler'" in (await service.readiness())["consumer compiler"]
    assert service.ailments() == []
    await apply(bus, declared(bus_settings))
    await submit()
    await eventually(lambda: handled)
    assert set((await service.readiness()).values()) == {"ok"}


async def test_pull_guard_a_closed_connection_costs_no_cpu_and_liveness_tells(
    own_bus: Bus, own_settings: ChassisSettings
) -> None:
    service = Service("compiler", own_settings)
    service.subscribe(COMPILER, SpecSubmitted, ignore)
    await service.start()
    # What nats-py does when the server says so: it closes, and does not come back.
    await service.bus.nc._process_err("'User Authentication Expired'")
    await asyncio.wait_for(service.bus.lost.wait(), 20)
    used, longest = await cpu_of(1.5)
    assert used < 0.4
    assert longest < LONGEST_HOLD
    assert service.ailments() == ["the server closed the connection for good"]
    assert "not connected" in (await service.readiness())["bus"]
    await asyncio.wait_for(service.stop(), 20)


async def test_endless_reconnect_after_a_killed_server_the_next_message_is_handled(
    own_server: NatsServer, own_bus: Bus, own_settings: ChassisSettings
) -> None:
    handled = []

    async def handle(message: Message) -> None:
        handled.append(message.event.submission)

    service = Service("compiler", own_settings)
    service.subscribe(COMPILER, SpecSubmitted, handle)
    await service.start()
    own_server.kill()
    await eventually(lambda: not service.bus.connected)
    used, _ = await cpu_of(1.0)
    assert used < 0.4
    assert service.ailments() == []
    assert (await service.readiness())["bus"].startswith("FLOE-BUS-009")
    own_server.start()
    event = SpecSubmitted(tenant="default", product="shop", submission="after", bundle=DIGEST)
    await own_bus.publish(event, id="after")
    await eventually(lambda: handled == ["after"])
    assert set((await service.readiness()).values()) == {"ok"}
    await service.stop()


async def test_pull_requests_do_not_pile_up_in_an_outage(
    own_server: NatsServer, own_bus: Bus, own_settings: ChassisSettings
) -> None:
    most, handled = 0, 0

    async def handle(_: Received[CancellationRequested]) -> None:
        nonlocal most, handled
        await asyncio.sleep(0.15)
        most = max(most, (await own_bus.js.consumer_info(RUNS, EXECUTOR_CANCELLATIONS)).num_ack_pending or 0)
        handled += 1

    service = Service("executor", own_settings)
    service.subscribe(EXECUTOR_CANCELLATIONS, CancellationRequested, handle)
    await service.start()
    own_server.kill()
    await eventually(lambda: not service.bus.connected)
    # Long enough for three requests, had they been made.
    await asyncio.sleep(3.2)
    own_server.start()
    for number in range(5):
        event = CancellationRequested(
            tenant="default", environment="dev", product="shop", run_id="r", requester="r", reason="r"
        )
        await own_bus.publish(event, id=f"r{number}")
    await eventually(lambda: handled == 5)
    # Three requests sent at once would have brought three messages, two of them without a heartbeat.
    assert most == 1
    await service.stop()


async def test_declare_false_leaves_the_operators_settings_of_stream_and_consumer(bus: Bus, compiler: Start) -> None:
    config = (await bus.js.stream_info(SPECS)).config
    await bus.js.update_stream(config.evolve(description="ours", max_bytes=10_000_000, max_age=7200.0))
    stream = (await bus.js.stream_info(SPECS)).config
    consumer = (await bus.js.consumer_info(SPECS, COMPILER)).config
    await compiler(ignore, ack_wait=99.0, max_deliver=1)
    assert (await bus.js.stream_info(SPECS)).config == stream
    assert (await bus.js.consumer_info(SPECS, COMPILER)).config == consumer


async def test_consumer_drift_is_logged_at_start(bus: Bus, compiler: Start, capsys: pytest.CaptureFixture[str]) -> None:
    await compiler(ignore, ack_wait=99.0)
    assert "consumer.drift" in capsys.readouterr().out


async def test_a_missing_consumer_is_waited_for_and_never_made(
    bus_settings: ChassisSettings, compiler: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    admin = Bus("admin", bus_settings)
    await admin.connect()
    topology = declared(bus_settings)
    await apply(admin, Topology(topology.streams, (), ()))
    service = await compiler(ignore, ready=False)
    starting = asyncio.create_task(service.start())
    out = await eventually(lambda: capsys.readouterr().out)
    assert "run floe topology apply" in out
    assert await service.readiness() == {"service": "waiting for the consumer compiler", "bus": "ok"}
    await asyncio.sleep(1.2)
    assert "service.waiting" not in capsys.readouterr().out
    assert (await admin.js.stream_info(SPECS)).state.consumer_count == 0
    await apply(admin, topology)
    await asyncio.wait_for(starting, 60)
    assert set((await service.readiness()).values()) == {"ok"}
    await admin.close()


async def test_a_graceful_stop_lets_the_handler_end_and_gives_back_nothing(
    bus: Bus, submit: Submit, compiler: Start, with_consumers: Callable[..., Awaitable[None]]
) -> None:
    await with_consumers(ack_wait=60.0)
    taken, ended = asyncio.Event(), []

    async def handle(message: Message) -> None:
        taken.set()
        await asyncio.sleep(0.5)
        await service.bus.publish(message.event.model_copy(update={"submission": "result"}), id="result")
        ended.append(message.event.submission)

    service = await compiler(handle)
    await submit()
    await taken.wait()
    await service.stop(grace=3)
    assert ended == ["s0"]

    async def acknowledged() -> bool:
        return (await bus.js.consumer_info(SPECS, COMPILER)).num_ack_pending == 0

    # Well before it would be delivered again.
    await eventually(acknowledged, timeout=20)
    assert (await bus.js.stream_info(SPECS)).state.messages == 2


async def test_a_handler_over_the_grace_is_cut_off_and_its_end_is_waited_for(submit: Submit, compiler: Start) -> None:
    taken, cleaned = asyncio.Event(), []

    async def handle(_: Message) -> None:
        taken.set()
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.2)
            cleaned.append(True)

    service = await compiler(handle)
    await submit()
    await taken.wait()
    started = time.monotonic()
    await service.stop(grace=0.6)
    assert time.monotonic() - started < 15
    assert cleaned == [True]


async def test_a_service_starts_again_after_a_stop(submit: Submit, compiler: Start) -> None:
    handled = []

    async def handle(message: Message) -> None:
        handled.append(message.event.submission)

    service = await compiler(handle)
    await service.stop()
    await service.start()
    await submit()
    await eventually(lambda: handled == ["s0"])
