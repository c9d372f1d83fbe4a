"""Fixtures for tests against a real bus. This is a pytest plugin: nothing heavy is imported before it is used."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import itertools
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import pytest

if TYPE_CHECKING:
    from floe_chassis.bus import Bus
    from floe_chassis.nats_server import NatsServer
    from floe_chassis.settings import ChassisSettings

T = TypeVar("T")

pytest_plugins = ("floe_chassis.testing_postgres",)

_ACCOUNTS: Final = 1000
_LOOK_AGAIN: Final = 0.02

_numbers = itertools.count()
# Below those that systems give to whoever asks for any; each process begins elsewhere.
_ports = itertools.count(20_000 + os.getpid() * 127 % 12_000)


async def eventually(predicate: Callable[[], T | Awaitable[T]], timeout: float = 60) -> T:  # noqa: ASYNC109
    """Wait until a fact holds.

    Args:
        predicate: asked again and again; returns something true when the fact holds. An AssertionError is a no.
        timeout: seconds.

    Returns:
        What the predicate returned last.

    Raises:
        AssertionError: the fact did not come to hold in time.
    """
    deadline = time.monotonic() + timeout
    while True:
        refusal: AssertionError | None = None
        try:
            answer = predicate()
            result = await answer if inspect.isawaitable(answer) else answer
        except AssertionError as error:
            refusal, result = error, None
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {inspect.getsource(predicate).strip()}") from refusal
        await asyncio.sleep(_LOOK_AGAIN)


async def all_handled(bus: Bus, stream: str, consumer: str) -> bool:
    """Whether a consumer has handled every message that is stored for it by now.

    Its counts alone do not tell: a message is stored a moment before the server counts it for its consumers.
    """
    from nats.js.errors import NotFoundError

    last, config = 0, (await bus.js.consumer_info(stream, consumer)).config
    for subject in config.filter_subjects or [config.filter_subject]:
        with contextlib.suppress(NotFoundError):
            last = max(last, (await bus.js.get_last_msg(stream, subject)).seq or 0)
    info = await bus.js.consumer_info(stream, consumer)
    floor = (info.ack_floor.stream_seq if info.ack_floor else 0) or 0
    return info.num_pending == 0 and info.num_ack_pending == 0 and floor >= last


def free_port() -> int:
    """A port of 127.0.0.1 for a server that is about to start, or to start again: nobody is given it meanwhile."""
    while True:
        port = next(_ports)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def held_by_its_server(client: socket.socket) -> bool:
    """Whether the other end of a TCP connection over 127.0.0.1 is still there. On Linux."""
    try:
        ends = client.getpeername()[1], client.getsockname()[1]
    except OSError:  # it has heard that it is gone
        return False
    rows = (row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return ends in ((int(row[1].split(":")[1], 16), int(row[2].split(":")[1], 16)) for row in rows)


@contextlib.contextmanager
def frozen(pid: int | None) -> Iterator[None]:
    """A process that was started here and hangs meanwhile: none of its threads runs from the first line of the body on.

    The signal alone would not do: the threads of a process take it one after the other, some after `kill` returned.
    """
    if pid is None:
        raise ValueError("the process does not run")
    os.kill(pid, signal.SIGSTOP)
    try:
        os.waitid(os.P_PID, pid, os.WSTOPPED)  # told by the kernel when the last thread has stopped
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """One real server for the whole run, with hundreds of empty accounts. Do not stop it: others use it."""
    from floe_chassis.nats_server import NatsServer

    users = (f'A{n} {{ jetstream: enabled, users: [{{user: "u{n}", password: "p{n}"}}] }}' for n in range(_ACCOUNTS))
    server = NatsServer(tmp_path_factory.mktemp("nats"), config="accounts {\n" + "\n".join(users) + "\n}")
    server.start()
    yield server
    server.kill()  # hundreds of accounts take a stopping server seconds
    server.stop()


@pytest.fixture
def bus_settings(nats_server: NatsServer, tmp_path: Path) -> ChassisSettings:
    """Settings with an account, a work folder and a blob store of the test's own."""
    from floe_chassis.nats_server import HOST
    from floe_chassis.settings import ChassisSettings

    number = next(_numbers)
    if number >= _ACCOUNTS:
        raise AssertionError("more tests than accounts: raise _ACCOUNTS in floe_chassis.testing")
    return ChassisSettings(
        nats_url=f"nats://u{number}:p{number}@{HOST}:{nats_server.port}",
        work_dir=tmp_path / "work",
        blobs_url=(tmp_path / "blobs").as_uri(),
        ack_wait=2.0,
        lease_seconds=3.0,
        retry_seconds=0.2,
        http_port=0,
        shutdown_grace=5.0,
    )


@pytest.fixture
async def bus(bus_settings: ChassisSettings) -> AsyncIterator[Bus]:
    """A connected bus with the whole topology, without lineage backends."""
    async with _prepared(bus_settings) as connection:
        yield connection


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[NatsServer]:
    """A server that the test may stop, kill or freeze."""
    from floe_chassis.nats_server import NatsServer

    server = NatsServer(tmp_path / "nats")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_settings(own_server: NatsServer, bus_settings: ChassisSettings) -> ChassisSettings:
    """Settings that lead to the test's own server."""
    return bus_settings.model_copy(update={"nats_url": own_server.url})


@pytest.fixture
async def own_bus(own_settings: ChassisSettings) -> AsyncIterator[Bus]:
    """A connection to the test's own server, with the whole topology on it."""
    async with _prepared(own_settings) as connection:
        yield connection


@contextlib.asynccontextmanager
async def _prepared(settings: ChassisSettings) -> AsyncIterator[Bus]:
    from floe_chassis.bus import Bus
    from floe_chassis.topology import declared
    from floe_chassis.topology_apply import apply

    connection = Bus("test", settings)
    await connection.connect(wait=False)
    await apply(connection, declared(settings))
    yield connection
    await connection.close()
