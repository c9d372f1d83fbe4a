"""The life of a service: probes, tasks, hooks, and the process that serves it."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from floe_chassis import http_server
from floe_chassis.bus import Bus
from floe_chassis.errors import AddressInUse
from floe_chassis.http_server import HttpServer
from floe_chassis.nats_server import NatsServer
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings
from floe_chassis.testing import eventually, held_by_its_server
from floe_contracts.events import SpecSubmitted

GRACE = 30.0


def get(address: str, path: str) -> tuple[int, Any]:
    parts = urlsplit(address)
    assert parts.hostname is not None
    connection = HTTPConnection(parts.hostname, parts.port, timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, json.loads(body) if body.startswith(b"{") else body
    finally:
        connection.close()


async def probe(service: Service, path: str) -> tuple[int, Any]:
    assert service.http_address is not None
    return await asyncio.to_thread(get, service.http_address, path)


@pytest.fixture
async def service(bus: Bus, bus_settings: ChassisSettings) -> AsyncIterator[Service]:
    one = Service("gateway", bus_settings)
    yield one
    await one.stop()


async def test_the_probes_tell_what_is_missing(service: Service) -> None:
    warehouse_is_there = False

    async def warehouse() -> bool:
        return warehouse_is_there

    async def catalog() -> None:
        raise RuntimeError("the catalog answers 500")

    async def slow() -> None:
        await asyncio.sleep(30)

    async def hello(_: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    service.check("warehouse", warehouse)
    service.route(Route("/hello", hello))
    async with HttpServer(service):
        assert await probe(service, "/readyz") == (
            503,
            {"ready": False, "missing": {"service": "not started", "bus": "not connected"}},
        )
        assert await probe(service, "/healthz") == (200, {"alive": True, "ailments": []})
        await service.start()
        assert await probe(service, "/readyz") == (503, {"ready": False, "missing": {"warehouse": "the check failed"}})
        warehouse_is_there = True
        assert await probe(service, "/readyz") == (200, {"ready": True, "missing": {}})
        service.check("catalog", catalog)
        service.check("slow", slow)
        missing = {"catalog": "the catalog answers 500", "slow": "no answer within 2 s"}
        assert await probe(service, "/readyz") == (503, {"ready": False, "missing": missing})
        assert await probe(service, "/hello") == (200, b"hello")
    assert service.http_address is None


async def test_a_task_lives_as_long_as_the_service(service: Service) -> None:
    log = []

    async def tick() -> None:
        log.append("begins")
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            log.append("ends")

    service.task("tick", tick)
    await service.start()
    await eventually(lambda: log)
    assert service.ailments() == []
    await service.stop()
    assert log == ["begins", "ends"]


async def test_a_crashed_task_fails_liveness_and_is_logged(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    async def crash() -> None:
        raise RuntimeError("broken")

    async def done() -> None:
        pass

    service.task("dispatcher", crash)
    service.task("once", done)
    await service.start()
    await eventually(service.ailments)
    assert service.ailments() == ["the task dispatcher failed: broken"]
    async with HttpServer(service):
        assert (await probe(service, "/healthz"))[0] == 503
    out = capsys.readouterr().out
    assert "task.failed" in out
    assert "RuntimeError: broken" in out


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
async def test_a_reader_that_takes_nothing_is_cut_off(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    async def much(_: Request) -> PlainTextResponse:
        return PlainTextResponse("x" * 50_000_000)

    monkeypatch.setattr(http_server, "UNTAKEN_SECONDS", 1.0)
    service.route(Route("/much", much))
    async with HttpServer(service):
        parts = urlsplit(service.http_address or "")
        with socket.create_connection((parts.hostname, parts.port)) as reader:
            reader.sendall(b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await asyncio.to_thread(reader.recv, 1)
            assert await eventually(lambda: not held_by_its_server(reader))


async def test_hooks_run_around_everything_with_the_bus_connected(service: Service) -> None:
    log = []

    def hook(name: str) -> Any:
        async def run() -> None:
            log.append((name, service.bus.connected))

        return run

    service.on_start(hook("open"))
    service.on_start(hook("migrate"))
    service.on_stop(hook("close"))
    service.on_stop(hook("flush"))
    await service.start()
    await service.stop()
    await service.stop()
    assert log == [("open", True), ("migrate", True), ("flush", True), ("close", True)]


async def test_what_a_service_was_made_with_is_closed_although_it_never_started(bus_settings: ChassisSettings) -> None:
    log = []

    async def close() -> None:
        log.append("closed")

    service = Service("executor", bus_settings)
    service.on_stop(close)
    await service.stop()
    await service.stop()
    assert log == ["closed"]


async def test_a_failing_hook_undoes_the_start_and_does_not_keep_the_others_from_stopping(service: Service) -> None:
    log = []

    async def fail() -> None:
        raise RuntimeError("no")

    async def close() -> None:
        log.append("closed")

    service.on_start(fail)
    service.on_stop(close)
    service.on_stop(fail)
    with pytest.raises(RuntimeError, match="no"):
        await service.start()
    assert log == ["closed"]
    assert not service.bus.connected


async def test_several_services_share_one_loop(bus: Bus, bus_settings: ChassisSettings) -> None:
    async def ignore(_: object) -> None:
        pass

    services = [Service(name, bus_settings) for name in ("compiler", "executor", "semantic")]
    services[0].subscribe("compiler", SpecSubmitted, ignore)
    await asyncio.gather(*(one.start() for one in services))
    for one in services:
        assert set((await one.readiness()).values()) == {"ok"}
    await asyncio.gather(*(one.stop() for one in services))


async def test_a_taken_address_is_told(service: Service) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        busy = Service("gateway", service.settings.model_copy(update={"http_port": port}))
        with pytest.raises(AddressInUse, match=f"127.0.0.1:{port}"):
            await HttpServer(busy).start()


PROGRAM = """
    import asyncio, sys, time
    from pathlib import Path
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route
    from floe_chassis.service import Service
    from floe_chassis.serving import serve
    from floe_chassis.settings import ChassisSettings
    from floe_contracts.events import SpecSubmitted

    async def handle(message):
        print("taken", flush=True)
        await asyncio.sleep(60)

    async def main():
        url, grace, consumer = sys.argv[1:]
        service = Service("compiler", ChassisSettings(nats_url=url, shutdown_grace=float(grace), http_port=0))
        if consumer == "lost":
            async def lose():
                # What nats-py does when the server says so: it closes, and does not come back.
                await service.bus.nc._process_err("'User Authentication Expired'")
            service.task("lose", lose)
        elif consumer:
            service.subscribe(consumer, SpecSubmitted, handle)

        async def closed():
            print("closed", flush=True)

        service.on_stop(closed)

        async def tell():
            while service.http_address is None:
                await asyncio.sleep(0.01)
            print(service.http_address, flush=True)

        await asyncio.gather(serve(service), tell())

    asyncio.run(main())
"""


class Served:
    """A service in a process of its own."""

    def __init__(self, script: Path, url: str, grace: float, consumer: str = "") -> None:
        command = [sys.executable, script, url, str(grace), consumer]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.printed = ""
        self.address = self.line()

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def stopped(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float, str]:
        """Stop it: exit code, seconds, what it logged."""
        self.process.send_signal(number)
        started = time.monotonic()
        self.printed, errors = self.process.communicate(timeout=60)
        return self.process.returncode, time.monotonic() - started, errors


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "service.py"
    path.write_text(textwrap.dedent(PROGRAM))
    return path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_served_service_stops_on_a_signal_with_exit_code_0(
    bus: Bus, bus_settings: ChassisSettings, script: Path, number: signal.Signals
) -> None:
    served = await asyncio.to_thread(Served, script, bus_settings.nats_url, GRACE, "compiler")
    await eventually(lambda: get(served.address, "/readyz")[0] == 200)
    code, seconds, errors = await asyncio.to_thread(served.stopped, number)
    assert code == 0, errors
    assert seconds < GRACE - 5
    assert served.printed == "closed\n"
    assert "Traceback" not in errors


@pytest.mark.fault
async def test_graceful_stop_with_the_bus_down_exits_with_0_within_the_grace(
    own_server: NatsServer, own_bus: Bus, own_settings: ChassisSettings, script: Path
) -> None:
    served = await asyncio.to_thread(Served, script, own_settings.nats_url, GRACE, "compiler")
    await eventually(lambda: get(served.address, "/readyz")[0] == 200)
    own_server.kill()
    await eventually(lambda: get(served.address, "/readyz")[0] == 503)
    assert get(served.address, "/healthz")[0] == 200
    code, seconds, errors = await asyncio.to_thread(served.stopped)
    assert code == 0, errors
    assert seconds < GRACE - 5
    assert "Traceback" not in errors


async def test_a_service_whose_bus_never_came_answers_its_probes_and_stops(script: Path) -> None:
    served = await asyncio.to_thread(Served, script, "nats://127.0.0.1:9", GRACE)
    assert get(served.address, "/healthz")[0] == 200
    status, body = get(served.address, "/readyz")
    assert (status, body["missing"]) == (503, {"service": "waiting for the bus", "bus": "not connected"})
    code, seconds, errors = await asyncio.to_thread(served.stopped)
    assert code == 0, errors
    assert seconds < GRACE - 5
    # What the service was made with is closed, and once only.
    assert served.printed == "closed\n"


async def test_a_connection_that_is_closed_for_good_ends_the_process(
    bus_settings: ChassisSettings, script: Path
) -> None:
    served = await asyncio.to_thread(Served, script, bus_settings.nats_url, GRACE, "lost")
    _, errors = await asyncio.to_thread(served.process.communicate, timeout=60)
    assert served.process.returncode != 0
    assert "FLOE-BUS-009" in errors


@pytest.mark.fault
async def test_graceful_stop_cuts_off_a_handler_that_outlasts_the_grace(
    bus: Bus, bus_settings: ChassisSettings, script: Path
) -> None:
    served = await asyncio.to_thread(Served, script, bus_settings.nats_url, 2.0, "compiler")
    event = SpecSubmitted(tenant="default", product="shop", submission="s", bundle="sha256:" + "0" * 64)
    await bus.publish(event, id="one")
    assert await asyncio.to_thread(served.line) == "taken"
    code, seconds, errors = await asyncio.to_thread(served.stopped)
    assert code == 0, errors
    # The grace of 2 s and the end of the process itself; the handler would have taken a minute.
    assert 0.5 < seconds < 30
    assert "handler.cut_off" in errors
    assert "Traceback" not in errors
