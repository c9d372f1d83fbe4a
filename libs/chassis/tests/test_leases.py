"""Leases against a real bus."""

from __future__ import annotations

import asyncio

import pytest

from floe_chassis.bus import Bus
from floe_chassis.leases import Lease, lease_key
from floe_chassis.nats_server import NatsServer
from floe_chassis.settings import ChassisSettings
from floe_chassis.testing import eventually, frozen
from floe_chassis.topology import LEASES_BUCKET, declared
from floe_chassis.topology_apply import apply
from floe_contracts.errors import LeaseLost, Unreachable

KEY = lease_key("default", "dev", "My Shop")


@pytest.fixture
async def short(bus_settings: ChassisSettings, bus: Bus) -> ChassisSettings:
    """Settings and bucket with leases of two seconds, which a busy machine can keep."""
    settings = bus_settings.model_copy(update={"lease_seconds": 2.0})
    await apply(bus, declared(settings))
    return settings


async def taken(bus: Bus, settings: ChassisSettings) -> Lease:
    lease = await Lease.acquire(bus, settings, KEY)
    assert lease is not None
    return lease


async def test_two_contenders_and_a_token_that_grows(bus: Bus, short: ChassisSettings) -> None:
    results = await asyncio.gather(*(Lease.acquire(bus, short, KEY) for _ in range(5)))
    winners = [lease for lease in results if lease is not None]
    assert len(winners) == 1
    await winners[0].verify()
    await winners[0].release()
    again = await asyncio.gather(*(Lease.acquire(bus, short, KEY) for _ in range(5)))
    second = [lease for lease in again if lease is not None]
    assert len(second) == 1
    assert second[0].token > winners[0].token
    await second[0].release()


async def test_a_lease_is_renewed_beyond_its_time(bus: Bus, short: ChassisSettings) -> None:
    lease = await taken(bus, short)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(lease.lost.wait(), 3.2)
    assert await Lease.acquire(bus, short, KEY) is None
    await lease.verify()
    await lease.release()


async def test_a_lease_whose_holder_died_ends(bus: Bus, short: ChassisSettings) -> None:
    holder = Bus("other", short)
    await holder.connect()
    dead = await taken(holder, short)
    await holder.close()
    next_lease = await eventually(lambda: Lease.acquire(bus, short, KEY))
    assert next_lease.token > dead.token
    await eventually(dead.lost.is_set)
    await next_lease.release()


async def test_a_stolen_lease_is_lost(bus: Bus, short: ChassisSettings) -> None:
    lease = await taken(bus, short)
    bucket = await bus.key_value(LEASES_BUCKET)
    await bucket.put(KEY, b'{"owner": "thief"}')
    with pytest.raises(LeaseLost, match=r"somebody else|was lost"):
        await lease.verify()
    assert lease.lost.is_set()
    await lease.release()
    assert (await bucket.get(KEY)).value == b'{"owner": "thief"}'


async def test_losing_is_noticed_by_the_renewal_too(bus: Bus, short: ChassisSettings) -> None:
    lease = await taken(bus, short)
    bucket = await bus.key_value(LEASES_BUCKET)
    await bucket.delete(KEY)
    await asyncio.wait_for(lease.lost.wait(), 20)
    with pytest.raises(LeaseLost, match="was lost"):
        await lease.verify()
    await lease.release()


async def test_a_renewal_whose_answer_was_lost_is_taken_up(bus: Bus, short: ChassisSettings) -> None:
    lease = await taken(bus, short)
    bucket = await bus.key_value(LEASES_BUCKET)
    entry = await bucket.get(KEY)
    assert entry.value is not None
    # What the bus has after a renewal that was stored, while its answer never came back.
    await bucket.put(KEY, entry.value)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(lease.lost.wait(), 3.0)
    await lease.verify()
    await lease.release()


async def test_a_short_outage_does_not_lose_a_lease_and_a_long_one_does(
    own_server: NatsServer, own_bus: Bus, own_settings: ChassisSettings
) -> None:
    settings = own_settings.model_copy(update={"lease_seconds": 12.0})
    await apply(own_bus, declared(settings))
    lease = await taken(own_bus, settings)
    bucket = await own_bus.key_value(LEASES_BUCKET)
    own_server.kill()
    await eventually(lambda: not own_bus.connected)
    with pytest.raises((Unreachable, LeaseLost)):
        await lease.verify()
    own_server.start()
    await own_bus.until_connected(20)

    async def renewed() -> bool:
        return ((await bucket.get(KEY)).revision or 0) > lease.token

    await eventually(renewed)
    assert not lease.lost.is_set()
    own_server.kill()
    await asyncio.wait_for(lease.lost.wait(), 40)
    await lease.release()


async def test_a_server_that_stalls_does_not_lose_a_lease(
    own_server: NatsServer, own_bus: Bus, own_settings: ChassisSettings
) -> None:
    settings = own_settings.model_copy(update={"lease_seconds": 6.0})
    await apply(own_bus, declared(settings))
    lease = await taken(own_bus, settings)
    with frozen(own_server.pid), pytest.raises(TimeoutError):
        await asyncio.wait_for(lease.lost.wait(), 4.4)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(lease.lost.wait(), 4.0)
    await lease.verify()
    await lease.release()


async def test_a_lease_is_confirmed_once_the_bus_is_back_and_not_after_it_was_lost(
    own_server: NatsServer, own_bus: Bus, own_settings: ChassisSettings
) -> None:
    settings = own_settings.model_copy(update={"lease_seconds": 12.0})
    await apply(own_bus, declared(settings))
    lease = await taken(own_bus, settings)
    own_server.kill()
    await eventually(lambda: not own_bus.connected)
    confirming = asyncio.create_task(lease.confirm())
    own_server.start()
    await asyncio.wait_for(confirming, 60)
    assert not lease.lost.is_set()
    own_server.kill()
    with pytest.raises(LeaseLost):
        await asyncio.wait_for(lease.confirm(), 40)
    await lease.release()
