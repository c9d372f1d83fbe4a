"""The spool: order, nothing lost, nothing twice, whatever happens to the bus or the process."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from floe_chassis.bus import Bus
from floe_chassis.errors import MessageTooLarge, SpoolFull, SpoolUnusable
from floe_chassis.nats_server import NatsServer
from floe_chassis.settings import ChassisSettings
from floe_chassis.spool import Outgoing, Spool
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import eventually, frozen
from floe_chassis.topology import LINEAGE, declared
from floe_chassis.topology_apply import apply
from floe_contracts.errors import Unreachable

pytestmark = pytest.mark.bus

LIMIT = 10_000_000
SUBJECT = "floe.v1.lineage.default.dev.shop.job.start"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
Make = Callable[..., Spool]


def message(number: int, **more: str) -> Outgoing:
    return Outgoing(SUBJECT, {"traceparent": TRACE}, json.dumps({"n": number} | more), f"m{number}")


async def stored(bus: Bus) -> list[int]:
    return [json.loads(each.data)["n"] async for each in read_stream(bus.js, LINEAGE, SUBJECT)]


@pytest.fixture
async def prepared(own_bus: Bus, own_settings: ChassisSettings) -> Bus:
    await apply(own_bus, declared(own_settings))
    return own_bus


@pytest.fixture
async def make(prepared: Bus, tmp_path: Path) -> AsyncIterator[Make]:
    """Makes spools on one folder; what drains them ends with the test."""
    tasks: list[asyncio.Task[None]] = []
    made: list[Spool] = []

    def spool(*, running: bool = True, **options: int) -> Spool:
        made.append(Spool(prepared, tmp_path / "spool", **{"limit_bytes": LIMIT} | options))
        if running:
            tasks.append(asyncio.create_task(made[-1].run()))
        return made[-1]

    yield spool
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for each in made:
        await each.close()


async def test_while_the_bus_is_there_nothing_touches_the_disk(prepared: Bus, make: Make, tmp_path: Path) -> None:
    spool = make()
    for number in range(3):
        await spool.put(message(number))
    assert await stored(prepared) == [0, 1, 2]
    assert spool.waiting == 0
    assert not (tmp_path / "spool").exists()


async def test_what_the_bus_misses_follows_in_order_and_nobody_waits(
    prepared: Bus, own_server: NatsServer, make: Make
) -> None:
    spool = make()
    await spool.put(message(0))
    own_server.stop()
    await eventually(lambda: not prepared.connected)
    started = time.monotonic()
    for number in range(1, 201):
        await spool.put(message(number))
    assert time.monotonic() - started < 20  # a single message may wait two seconds for a bus that does not answer
    assert spool.waiting == 200
    with pytest.raises(Unreachable):
        await spool.settled(0.05)
    own_server.start()
    # Told while the others are being published: it must not overtake them.
    await spool.put(message(201))
    await spool.settled(20)
    assert await stored(prepared) == list(range(202))
    assert spool.waiting == 0
    last = await prepared.js.get_msg(LINEAGE, 202)
    assert (last.headers or {})["traceparent"].split("-")[1] == TRACE.split("-")[1]


async def test_a_server_that_hangs_costs_one_message_its_patience(
    prepared: Bus, own_server: NatsServer, make: Make
) -> None:
    spool = make()
    with frozen(own_server.pid):
        started = time.monotonic()
        for number in range(50):
            await spool.put(message(number))
        assert time.monotonic() - started < 20  # where each has to wait it takes a hundred
        assert spool.waiting == 50
    await spool.settled(20)
    # The first one reached the hanging server too; its id lets it count once.
    assert await stored(prepared) == list(range(50))


async def test_what_a_process_leaves_is_taken_over_by_the_next(
    prepared: Bus, own_server: NatsServer, make: Make, tmp_path: Path
) -> None:
    own_server.stop()
    await eventually(lambda: not prepared.connected)
    first = make(running=False)
    for number in range(3):
        await first.put(message(number))
    second = make(running=False)
    assert await second.recover() == ()  # the first one lives
    await first.close()
    own_server.start()
    await prepared.until_connected(10)
    recovered = await second.recover()
    assert [each.id for each in recovered] == ["m0", "m1", "m2"]
    assert await stored(prepared) == [0, 1, 2]
    assert list((tmp_path / "spool").iterdir()) == []


PROGRAM = """
    import asyncio, os, signal, sys
    from pathlib import Path
    from floe_chassis.bus import Bus
    from floe_chassis.settings import ChassisSettings
    from floe_chassis.spool import Outgoing, Spool

    async def main():
        bus = Bus("test", ChassisSettings(nats_url="nats://127.0.0.1:1"))
        spool = Spool(bus, Path(sys.argv[1]), limit_bytes=10_000_000)
        for number in range(100):
            await spool.put(Outgoing(sys.argv[2], {}, '{"n": %d}' % number, f"m{number}"))
        os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(main())
"""


async def test_a_kill_loses_nothing_and_a_torn_last_line_is_ignored(prepared: Bus, make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(folder), SUBJECT]
    killed = await asyncio.to_thread(subprocess.run, command, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = folder.glob("*.ndjson")
    with left.open("ab") as file:
        file.write(b'{"subject": "floe.v1.lin')
    assert len(await make().recover()) == 100
    assert await stored(prepared) == list(range(100))


async def test_a_taken_over_file_goes_on_where_it_was_published(
    prepared: Bus, own_server: NatsServer, make: Make, tmp_path: Path
) -> None:
    own_server.stop()
    await eventually(lambda: not prepared.connected)
    first = make(running=False)
    for number in range(4):
        await first.put(message(number))
    await first.close()
    (left,) = (tmp_path / "spool").glob("*.ndjson")
    with left.open("rb") as lines:
        lines.readline()
        left.with_suffix(".published").write_text(str(lines.tell()))
    own_server.start()
    await prepared.until_connected(10)
    assert [each.id for each in await make().recover()] == ["m1", "m2", "m3"]


async def test_what_can_never_be_stored_is_set_aside(
    prepared: Bus, own_server: NatsServer, make: Make, tmp_path: Path
) -> None:
    spool = make()
    own_server.stop()
    await eventually(lambda: not prepared.connected)
    refused = Outgoing(SUBJECT, {"Nats-Expected-Stream": "OTHER"}, "{}", "refused")
    for each in (message(0), refused, message(1)):
        await spool.put(each)
    own_server.start()
    await spool.settled(20)
    assert await stored(prepared) == [0, 1]
    (line,) = (tmp_path / "spool" / "refused.log").read_text().splitlines()
    assert json.loads(line)["id"] == "refused"


async def test_a_full_spool_says_so(prepared: Bus, own_server: NatsServer, make: Make) -> None:
    spool = make(limit_bytes=1)
    own_server.stop()
    await eventually(lambda: not prepared.connected)
    await spool.put(message(0))
    with pytest.raises(SpoolFull) as refused:
        await spool.put(message(1))
    assert refused.value.message.startswith("1 messages wait")
    own_server.start()
    await spool.settled(20)
    await spool.put(message(1000))
    assert (await stored(prepared))[-1] == 1000


async def test_a_message_that_no_bus_takes_is_refused_at_once(
    prepared: Bus, own_server: NatsServer, make: Make
) -> None:
    spool = make()
    large = message(0, text="x" * 2_000_000)
    with pytest.raises(MessageTooLarge):
        await spool.put(large)
    own_server.stop()
    await eventually(lambda: not prepared.connected)
    with pytest.raises(MessageTooLarge):
        await spool.put(large)
    assert spool.waiting == 0


async def test_a_disk_that_takes_nothing_is_named(prepared: Bus, own_server: NatsServer, tmp_path: Path) -> None:
    own_server.stop()
    await eventually(lambda: not prepared.connected)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SpoolUnusable) as refused:
        await Spool(prepared, tmp_path / "file", limit_bytes=LIMIT).put(message(0))
    assert str(tmp_path / "file") in refused.value.message


async def test_many_tellers_keep_their_own_order(prepared: Bus, own_server: NatsServer, make: Make) -> None:
    spool = make()

    async def tell(teller: int) -> None:
        for number in range(40):
            await spool.put(message(teller * 1000 + number))
            await asyncio.sleep(0)

    async def fail() -> None:
        for _ in range(2):
            await asyncio.to_thread(own_server.stop)
            await asyncio.to_thread(own_server.start)

    await asyncio.gather(fail(), *(tell(teller) for teller in range(5)))
    await spool.settled(20)
    found = await stored(prepared)
    assert len(found) == 200
    for teller in range(5):
        own = [number for number in found if number // 1000 == teller]
        assert own == sorted(own)


async def test_closing_while_it_waits_ends_the_drain(make: Make) -> None:
    spool = make(running=False)
    draining = asyncio.create_task(spool.run())
    await asyncio.sleep(0)
    await spool.close()
    await asyncio.wait_for(draining, 60)


async def test_a_disk_that_became_full_keeps_nothing_from_leaving(
    prepared: Bus, own_server: NatsServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text = Path.write_text

    def full(path: Path, *arguments: str) -> int:
        if path.suffix == ".published":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_text(path, *arguments)

    spool = make()
    own_server.stop()
    for number in range(3):
        await spool.put(message(number))
    monkeypatch.setattr(Path, "write_text", full)
    own_server.start()
    await spool.settled(20)
    assert await stored(prepared) == [0, 1, 2]
