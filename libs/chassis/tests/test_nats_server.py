"""The server of the embedded stack: restarts, locks, and dying with its owner."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import psutil
import pytest

from floe_chassis.bus import Bus
from floe_chassis.errors import ServerFailed, ServerNotFound, StoreInUse
from floe_chassis.nats_server import NatsServer, find_binary
from floe_chassis.nats_supervisor import SupervisedNatsServer
from floe_chassis.settings import ChassisSettings
from floe_chassis.testing import eventually
from floe_chassis.topology import SPECS, declared
from floe_chassis.topology_apply import apply
from floe_contracts.events import SpecSubmitted

OWNER = """
    import sys, time
    from pathlib import Path
    from floe_chassis.nats_server import NatsServer
    server = NatsServer(Path(sys.argv[1]), watchdog=sys.argv[2] == "shell")
    server.start()
    print(server.port, flush=True)
    time.sleep(60)
"""


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_it_restarts_on_the_same_port_and_listens_on_the_loopback_address_alone(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "nats")
    server.start()
    port, pid = server.port, server.pid
    assert pid is not None
    listening = {c.laddr for c in psutil.Process(pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    assert listening == {("127.0.0.1", port)}
    server.restart()
    assert server.port == port
    assert server.pid not in (None, pid)
    server.stop()
    assert not server.running
    assert not listens(port)


@pytest.mark.fault
async def test_what_was_acknowledged_survives_kill_and_supervision_brings_the_server_back(
    tmp_path: Path, bus_settings: ChassisSettings
) -> None:
    supervised = SupervisedNatsServer(NatsServer(tmp_path / "nats"))
    await supervised.start()
    bus = Bus("test", bus_settings.model_copy(update={"nats_url": supervised.url}))
    await bus.connect(wait=False)
    await apply(bus, declared(bus_settings))
    event = SpecSubmitted(tenant="default", product="shop", submission="s", bundle="sha256:" + "0" * 64)
    await bus.publish(event, id="one")
    for number in (1, 2):
        assert supervised.server.pid is not None
        os.kill(supervised.server.pid, signal.SIGKILL)
        await eventually(lambda number=number: supervised.restarts == number)
        assert (await bus.publish(event, id="one")).duplicate
    assert (await bus.js.stream_info(SPECS)).state.messages == 1
    await bus.close()
    await supervised.stop()
    assert not supervised.server.running


async def test_stopping_while_the_server_is_down_does_not_bring_it_back(tmp_path: Path) -> None:
    supervised = SupervisedNatsServer(NatsServer(tmp_path / "nats"))
    await supervised.start()
    supervised.server.kill()
    await supervised.stop()
    await asyncio.sleep(0.4)
    assert not supervised.server.running
    assert not listens(supervised.server.port)


@pytest.mark.fault
@pytest.mark.parametrize("watching", ["kernel", "shell"])
def test_it_dies_when_its_owner_is_killed_and_frees_the_store(tmp_path: Path, watching: str) -> None:
    script = tmp_path / "owner.py"
    script.write_text(textwrap.dedent(OWNER))
    store = tmp_path / "nats"
    with subprocess.Popen([sys.executable, script, store, watching], stdout=subprocess.PIPE) as owner:
        try:
            assert owner.stdout is not None
            port = int(owner.stdout.readline())
            children = psutil.Process(owner.pid).children(recursive=True)
            assert listens(port)
            with pytest.raises(StoreInUse, match=f"running process {owner.pid}"):
                NatsServer(store).start()
        finally:
            os.kill(owner.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
    again = NatsServer(store)
    again.start()
    again.stop()


def test_it_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "nats")
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    with pytest.raises(psutil.TimeoutExpired):
        psutil.Process(server.pid).wait(0.3)
    assert listens(server.port)
    server.stop()


def test_two_servers_of_one_process_never_open_the_same_store(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "nats")
    server.start()
    with pytest.raises(StoreInUse, match="in this process"):
        NatsServer(tmp_path / "nats").start()
    server.stop()
    NatsServer(tmp_path / "nats")
    server.start()
    server.stop()


def test_a_server_that_does_not_start_tells_why(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "nats", config="nonsense: {")
    with pytest.raises(ServerFailed, match="Parse error"):
        server.start()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = NatsServer(tmp_path / "other", port=taken.getsockname()[1])
        with pytest.raises(ServerFailed):
            busy.start()
    free = NatsServer(tmp_path / "other")
    free.start()
    free.stop()


def test_the_program_is_looked_up_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_binary().endswith("nats-server")
    monkeypatch.setenv("FLOE_NATS_SERVER", str(tmp_path / "absent"))
    with pytest.raises(ServerNotFound, match="absent"):
        find_binary()
    with pytest.raises(ServerNotFound, match="elsewhere"):
        NatsServer(tmp_path, binary=str(tmp_path / "elsewhere"))
