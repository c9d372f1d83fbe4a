"""Every program on the page for subscribers, run as it stands there; only addresses and ports are the test's own.

TypeScript needs `make test-subscribers`, which installs what it uses; without it, those tests say so and do not run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from floe_chassis.bus import Bus
from floe_chassis.nats_server import HOST, find_binary
from floe_chassis.testing import eventually, free_port
from floe_client import ConsumerGone, connect
from floe_contracts.errors import Unreachable
from floe_contracts.openlineage import envelope

from .subscribed_bus import SubscribedBus, tell

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
PAGE = ROOT / "docs" / "how-to" / "subscribe-to-lineage.md"
ASYNCAPI = ROOT / "docs" / "reference" / "asyncapi.json"
MODULES = HERE / "node_modules"

pytestmark = pytest.mark.bus
with_node = pytest.mark.skipif(
    not MODULES.is_dir() or shutil.which("node") is None,
    reason="the packages of TypeScript are not installed: make test-subscribers installs and tries them",
)


def programs(language: str) -> list[str]:
    """The blocks of the page in a language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def placed(program: str, bus: SubscribedBus) -> str:
    """The program, for the bus of the test."""
    own = program.replace("nats://bus.example.com:4222", bus.url).replace(
        "wss://bus.example.com:9222", bus.websocket_url
    )
    assert "example.com" not in own.replace("https://example.com/loader", "")
    return own


@pytest.fixture
async def seeded(subscribed: SubscribedBus, operator: Bus, tmp_path: Path) -> SubscribedBus:
    """A bus with two events, and the seed of `bi` where the programs look for it."""
    shutil.copy(subscribed.seed("subscriber-bi"), tmp_path / "subscriber-bi.seed")
    for number, tenant in ((1, "acme"), (2, "globex"), (3, "acme")):
        await tell(operator, number, tenant)
    return subscribed


@asynccontextmanager
async def running(*command: str, folder: Path, **more: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program with everything that it starts, ended afterwards."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=os.environ | more, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    try:
        yield process
    finally:
        # What it started may outlive it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def lines(process: asyncio.subprocess.Process, count: int) -> list[str]:
    assert process.stdout is not None
    async with asyncio.timeout(120):
        return [(await process.stdout.readline()).decode().rstrip() for _ in range(count)]


async def tell_what_others_may(operator: Bus) -> None:
    """Rubbish without headers, one backend's event, and one for everybody: the fourth to the sixth of the stream."""
    await operator.js.publish("floe.v1.lineage.acme.prod.orders.load.start", b"rubbish")
    await operator.js.publish(
        "floe.v1.lineage.acme.prod.orders.load.fail", b"{}", headers={envelope.REPLAY_HEADER: "lineage-http"}
    )
    await tell(operator, 5)


async def all_acknowledged(operator: Bus) -> bool:
    found = await operator.js.consumer_info("FLOE_LINEAGE", "subscriber-bi")
    return (found.num_pending, found.num_ack_pending) == (0, 0)


@pytest.mark.parametrize(("number", "bare"), [(0, "None START"), (1, "None None")], ids=["floe-client", "nats-py"])
async def test_a_program_in_python_reads_its_events_and_those_that_come(
    seeded: SubscribedBus, operator: Bus, tmp_path: Path, number: int, bare: str
) -> None:
    program = tmp_path / "reader.py"
    program.write_text(placed(programs("python")[number], seeded))
    async with running(sys.executable, str(program), folder=tmp_path) as reader:
        assert await lines(reader, 2) == ["1 orders 1 COMPLETE", "3 orders 3 COMPLETE"]
        await tell_what_others_may(operator)
        assert await lines(reader, 2) == [f"4 {bare}", "6 orders 5 COMPLETE"]
        await eventually(lambda: all_acknowledged(operator))


@with_node
async def test_the_program_in_typescript_is_typed_and_reads_its_events_and_those_that_come(
    seeded: SubscribedBus, operator: Bus, tmp_path: Path
) -> None:
    (program,) = programs("typescript")
    for name in ("package.json", "tsconfig.json"):
        shutil.copy(HERE / name, tmp_path / name)
    (tmp_path / "node_modules").symlink_to(MODULES)
    (tmp_path / "reader.ts").write_text(placed(program, seeded))
    compiler = str(MODULES / "typescript" / "bin" / "tsc")
    async with running("node", compiler, "--project", ".", folder=tmp_path) as compiling:
        told, _ = await compiling.communicate()
        assert (compiling.returncode, told) == (0, b"")

    async with running("node", "reader.js", folder=tmp_path) as reader:
        assert await lines(reader, 2) == ["1 orders 1 COMPLETE", "3 orders 3 COMPLETE"]
        await tell_what_others_may(operator)
        assert await lines(reader, 2) == ["4 undefined undefined", "6 orders 5 COMPLETE"]
        await eventually(lambda: all_acknowledged(operator))


async def test_a_shell_reads_a_line_of_json(seeded: SubscribedBus, tmp_path: Path) -> None:
    (program,) = (text for text in programs("sh") if "floe_client" in text)
    python = placed(program, seeded).replace("python ", f"{sys.executable} ", 1)
    async with running("bash", "-ec", python, folder=tmp_path) as shell:
        told, _ = await shell.communicate()
    assert shell.returncode == 0
    assert json.loads(told)["event"]["job"]["name"] == "orders 1"


async def test_from_nothing_to_the_first_event(tmp_path: Path) -> None:
    """The commands of the page in their order: keys, configuration, bus, topology, an event, and who reads it."""
    port, gateway, websocket = free_port(), free_port(), free_port()
    serving, declaring, sending, _ = programs("sh")
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    # What a person notices: whether the bus listens.
    listening = f"until (exec 3<>/dev/tcp/{HOST}/{port}) 2>/dev/null; do sleep 0.1; done\n"
    script = f"{serving}{listening}{declaring}{sending}sleep 600"
    server = f"{find_binary()} -c nats-server.conf -a {HOST} -p {port} -m {free_port()} -l nats.log"
    for shown, own in (
        ("nats-server -c nats-server.conf", server),
        ("--websocket-plain 9222", f"--websocket-plain {websocket}"),
        ("127.0.0.1:8080", f"{HOST}:{gateway}"),
    ):
        assert shown in script
        script = script.replace(shown, own)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "FLOE_NATS_URL": f"nats://{HOST}:{port}",
        "FLOE_HTTP_PORT": str(gateway),
        "FLOE_HTTP_HOST": HOST,
    }
    async with running("bash", "-ec", script, folder=tmp_path, **environment):
        seed = tmp_path / "keys" / "subscriber-bi.seed"
        await eventually((tmp_path / "keys" / "nats.env").exists, 60)  # the last that is written there

        async def first() -> list[str | None]:
            async with connect(environment["FLOE_NATS_URL"], subscriber="bi", seed_file=seed, wait=True) as floe:
                return [event.job async for event in floe.lineage(limit=1)]

        async def read() -> list[str | None] | None:
            with contextlib.suppress(ConsumerGone, Unreachable):  # nobody has made it yet
                return await first()
            return None

        async with asyncio.timeout(120):
            assert await eventually(read, 120) == ["orders"]


@with_node
async def test_the_asyncapi_document_keeps_the_schema_of_asyncapi(tmp_path: Path) -> None:
    async def problems(document: Path) -> str:
        async with running("node", str(HERE / "validate_asyncapi.mjs"), str(document), folder=HERE) as process:
            return (await process.communicate())[0].decode()

    assert await problems(ASYNCAPI) == ""
    broken = json.loads(ASYNCAPI.read_text())
    del broken["info"]["title"]
    (tmp_path / "asyncapi.json").write_text(json.dumps(broken))
    assert "title" in await problems(tmp_path / "asyncapi.json")


def test_the_asyncapi_document_has_every_header_of_lineage() -> None:
    headers = {value for name, value in vars(envelope).items() if name.endswith("_HEADER")}
    assert "Floe-Facet-Errors" in headers
    assert headers <= set(json.loads(ASYNCAPI.read_text())["components"]["schemas"]["lineage-headers"]["properties"])


def test_the_asyncapi_document_speaks_of_schemas_that_are_there() -> None:
    document = json.loads(ASYNCAPI.read_text())
    messages = document["components"]["messages"]
    own = [message["payload"]["schema"]["$ref"] for message in messages.values()]
    files = [reference for reference in own if not reference.startswith("https://openlineage.io/")]
    assert files
    assert [reference for reference in files if not (ASYNCAPI.parent / reference).is_file()] == []
    channels = document["channels"]
    assert channels["lineage"]["address"] == "floe.v1.lineage.{tenant}.{environment}.{product}.{job}.{eventType}"
    for channel in channels.values():
        assert set(re.findall(r"{(\w+)}", channel["address"])) == set(channel["parameters"])
    assert {name for name in channels if name != "lineage"} == set(messages) - set(channels["lineage"]["messages"])
