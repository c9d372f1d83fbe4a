"""The embedded stack: its folder, and a product taken through it from the spec to its end."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import structlog

from floe_chassis import telemetry
from floe_chassis.errors import StoreInUse
from floe_chassis.testing import eventually
from floe_cli.exit_codes import ExitCode
from floe_cli.stack import connection
from floe_cli.stack.any_stack import any_stack
from floe_cli.stack.connection import Connection, reading, running
from floe_cli.stack.folders import RunningStack, stack_folder
from floe_cli.stack.service_stack import stack_with
from floe_cli.stack.services import installed_services, load_service
from floe_contracts.errors import WrongUsage

Floe = Callable[..., Any]


def test_everything_of_a_stack_stands_below_its_folder(tmp_path: Path) -> None:
    folder = stack_folder(tmp_path)
    address = folder.address("nats://127.0.0.1:1")
    assert (address.nats_url, address.blobs_url) == ("nats://127.0.0.1:1", f"file://{tmp_path}/.floe/blobs")
    for name, value in folder.environment("nats://127.0.0.1:1").items():
        if name != "FLOE_NATS_URL":
            assert f"{tmp_path}/.floe/" in value, name


def test_a_stack_is_found_while_its_process_lives(tmp_path: Path) -> None:
    folder = stack_folder(tmp_path)
    assert folder.running() is None
    folder.root.mkdir()
    folder.announce(RunningStack(pid=os.getpid(), nats_url="nats://127.0.0.1:1"))
    assert folder.running() == RunningStack(pid=os.getpid(), nats_url="nats://127.0.0.1:1")
    settings = running(tmp_path)
    assert settings is not None
    assert (settings.nats_url, settings.blobs_url) == ("nats://127.0.0.1:1", folder.blobs_url)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    folder.announce(RunningStack(pid=ended.pid, nats_url="nats://127.0.0.1:1"))
    assert folder.running() is None
    assert running(tmp_path) is None
    folder.withdraw()
    folder.withdraw()
    assert not (folder.root / "stack.json").exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"pid": "x", "nats_url": "y"}', '{"pid": 1, "more": 2}'])
def test_a_stack_file_that_says_nothing_is_no_stack(tmp_path: Path, content: str) -> None:
    folder = stack_folder(tmp_path)
    folder.root.mkdir()
    (folder.root / "stack.json").write_text(content)
    assert folder.running() is None


def test_services_are_found_by_their_entry_points() -> None:
    assert {"compiler", "executor", "lineage", "semantic"} <= set(installed_services())
    assert callable(load_service("compiler"))
    with pytest.raises(WrongUsage) as unknown:
        load_service("nobody")
    assert "compiler" in (unknown.value.hint or "")


@pytest.fixture
def _own_logs() -> Iterator[None]:
    """A stack in this process sets up logs; take that back."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    telemetry._configured.clear()
    structlog.configure(**before)
    for handler in root.handlers:
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.dbt
@pytest.mark.usefixtures("_own_logs")
def test_a_stack_for_the_time_being(floe: Floe, product: Any, platform_yaml: str) -> None:
    folder = product({"platform.yaml": platform_yaml})
    said = floe("compile", folder)
    assert said.code == 0, said.err
    name, digest = said.out.splitlines()[0].split()
    assert (name, digest[:7]) == ("artifact", "sha256:")
    assert [line.split()[:2] for line in said.out.splitlines()[2:]] == [
        ["environment", "prod:"],
        ["environment", "staging:"],
    ]
    assert not (folder / ".floe" / "stack.json").exists()
    status = floe("status", folder)  # from the store alone
    assert status.out == f"shop  artifact {digest}\n  no runs yet\n"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder on which `floe up` runs; the test puts a product there."""
    folder = tmp_path_factory.mktemp("up")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOE_")}
    floe = Path(sys.executable).with_name("floe")
    stack = subprocess.Popen(
        [floe, "up", folder, "--http-port", "0"], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert stack.stdout is not None
    said = []
    for line in stack.stdout:
        said.append(line)
        if line.startswith("ready"):
            break
    assert [line.split()[0] for line in said] == ["bus", "services", "gateway", "semantic", "log", "ready;"], said
    yield folder
    stack.send_signal(signal.SIGINT)
    assert stack.stdout.read() == "stopping\n"
    assert stack.wait(60) == 0
    assert not (folder / ".floe" / "stack.json").exists()


def write(folder: Path, product: Callable[..., Path], **changes: str) -> None:
    made = product({path.replace("__", "/") + ".sql": text for path, text in changes.items()})
    for file in made.rglob("*"):
        target = folder / file.relative_to(made)
        if file.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())


@pytest.mark.dbt
def test_a_product_is_run_and_traced(up: Path, floe: Floe, product: Any) -> None:
    write(up, product)
    said = floe("run", up)
    assert said.code == 0, said.err
    assert "  success  model.shop.orders" in said.out
    assert "render   done: bundle " in said.out
    assert "Try next:" in said.out
    run = said.out.partition("floe trace ")[2].split()[0]

    traced = json.loads(floe("trace", run, up, "--json").out)
    assert [(link["name"], link["verified"]) for link in traced["links"]] == [
        ("source", True),
        ("artifact", True),
        ("run", True),
        ("snapshot", True),
        ("lineage", True),
        ("Cube bundle", True),
    ]
    again = floe("run", up, "--if-changed")
    assert (again.code, again.out.splitlines()[-1][:13]) == (0, "nothing to do")
    unchanged = json.loads(floe("run", up, "--if-changed", "--json").out)
    assert (unchanged["status"], unchanged["run_id"]) == ("unchanged", None)
    artifact = json.loads(floe("compile", up, "--format", "json").out)
    assert artifact["product"]["name"] == "shop"


@pytest.mark.dbt
def test_a_model_that_fails_fails_the_run(up: Path, floe: Floe, product: Any) -> None:
    write(up, product, dbt__models__orders="select cast('x' as integer) as id")
    said = floe("run", up)
    assert said.code == ExitCode.RUN_FAILED == 3
    assert "error FLOE-RUN-001 dbt/models/orders.sql" in said.err
    assert "Could not convert string 'x'" in said.err
    assert "build    failed" in said.out
    document = floe("run", up, "--json")
    assert document.code == ExitCode.RUN_FAILED
    assert json.loads(document.out)["status"] == "failed"
    assert document.err == ""


@pytest.mark.dbt
def test_a_project_that_dbt_cannot_parse_is_rejected(up: Path, floe: Floe, product: Any) -> None:
    write(up, product, dbt__models__orders="select * from {{ ref('nowhere') }}")
    for command in ("run", "compile"):
        said = floe(command, up)
        assert said.code == ExitCode.COMPILATION_FAILED == 2
        assert "error FLOE-DBT-011 dbt/models/orders.sql" in said.err
        assert "nowhere" in said.err


def test_a_port_that_somebody_has_is_told_with_its_option(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOE_")}
    floe = Path(sys.executable).with_name("floe")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for option, service in (("--http-port", "gateway"), ("--semantic-port", "semantic")):
            ports = {"--http-port": "0", option: port}
            command = [str(floe), "up", str(tmp_path / service), *(part for pair in ports.items() for part in pair)]
            said = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
            assert said.returncode == ExitCode.UNREACHABLE
            assert f"the {service} service: cannot listen on 127.0.0.1:{port}" in said.stderr
            assert option in said.stderr


def test_an_environment_that_is_not_there_is_told_before_anything_is_started(floe: Floe, product: Any) -> None:
    folder = product()
    said = floe("run", folder, "-e", "production")
    assert said.code == ExitCode.WRONG_USAGE
    assert "platform.yaml has: dev" in said.err
    assert not (folder / ".floe").exists()


OPENED: dict[str, Callable[[Path], AbstractAsyncContextManager[Connection]]] = {
    "to run": any_stack,
    "to ask": lambda path: stack_with(path, "semantic"),
    "to read": reading,
}


@pytest.mark.dbt
@pytest.mark.usefixtures("_own_logs")
@pytest.mark.parametrize("how", OPENED)
async def test_a_stack_that_is_starting_is_waited_for(up: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """It has the folder open before it says so."""
    said = stack_folder(up).root / "stack.json"
    looks: list[Path] = []
    monkeypatch.setattr(connection, "running", lambda path: looks.append(path) or running(path))

    async def opened() -> str:
        async with OPENED[how](up) as found:
            return found.settings.nats_url

    kept = said.rename(said.with_suffix(".kept"))
    try:
        opening = asyncio.create_task(opened())
        await eventually(lambda: len(looks) > 1 or opening.done())
    finally:
        kept.rename(said)
    there = running(up)
    assert there is not None
    assert await opening == there.nats_url


@pytest.mark.dbt
async def test_a_folder_that_stays_taken_is_told(up: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_PATIENCE", 0)
    monkeypatch.setattr(connection, "running", lambda _: None)
    with pytest.raises(StoreInUse, match="belongs to the running process"):
        async with reading(up):
            pass


@pytest.mark.dbt
def test_a_second_stack_on_the_same_folder_is_refused(up: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOE_")}
    floe = Path(sys.executable).with_name("floe")
    started = time.monotonic()
    second = subprocess.run(
        [floe, "up", up, "--http-port", "0"], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert second.returncode == ExitCode.UNREACHABLE
    assert "error FLOE-NATS-002" in second.stderr
    assert time.monotonic() - started < 60
    assert running(up) is not None
