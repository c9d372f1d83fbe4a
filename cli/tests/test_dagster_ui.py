"""`floe up --ui`: Dagster's UI beside an embedded stack."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from floe_chassis.testing import eventually
from floe_cli.errors import UiFailed
from floe_cli.exit_codes import ExitCode
from floe_cli.stack import dagster_ui
from floe_cli.stack.folders import StackFolder

Floe = Callable[..., Any]
FLOE = Path(sys.executable).with_name("floe")


def _ask(address: str, query: str) -> dict[str, Any]:
    document = json.dumps({"query": query}).encode()
    request = urllib.request.Request(f"{address}/graphql", document, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        data: dict[str, Any] = json.load(answer)["data"]
        return data


def _is_dagster(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return "dagster" in " ".join(process.cmdline())
    return False


@pytest.fixture
def stack(product: Callable[..., Path]) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """`floe up --ui` of a product, in a process of its own."""
    folder = product()
    process = subprocess.Popen(
        [FLOE, "up", str(folder), "--http-port", "0", "--ui"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield process, folder
    process.kill()
    process.wait()


@pytest.mark.timeout(400)
async def test_the_ui_shows_runs_and_dies_with_the_stack(stack: tuple[subprocess.Popen[str], Path]) -> None:
    process, folder = stack
    assert process.stdout is not None
    said = {}
    for line in process.stdout:
        name, _, rest = line.strip().partition(" ")
        said[name] = rest.strip()
        if line.startswith("ready"):
            break
    assert "dagster" in said, said
    address = said["dagster"]
    assert _ask(address, "{ assetNodes { assetKey { path } } }")["assetNodes"] == []

    done = await asyncio.to_thread(
        subprocess.run, [FLOE, "run", str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    key = ["default", "dev", "shop", "orders"]

    def shown() -> bool:
        nodes = _ask(address, "{ assetNodes { assetKey { path } assetMaterializations(limit: 1) { runId } } }")
        return any(node["assetKey"]["path"] == key and node["assetMaterializations"] for node in nodes["assetNodes"])

    await eventually(shown, timeout=60)
    (run,) = _ask(
        address, "{ runsOrError { ... on Runs { results { jobName status repositoryOrigin { repositoryName } } } } }"
    )["runsOrError"]["results"]
    assert (run["jobName"], run["status"]) == ("default__dev__shop", "SUCCESS")

    children = psutil.Process(process.pid).children(recursive=True)
    ui = [child for child in children if _is_dagster(child)]
    assert ui, "the UI is a child of the stack"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(ui, timeout=60)
    assert alive == []


def test_without_the_ui_installed_the_command_says_what_to_install(
    floe: Floe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec

    def find(name: str, *rest: Any) -> Any:
        return None if name == "dagster_webserver" else real(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    outcome = floe("up", tmp_path, "--ui")
    assert outcome.code == ExitCode.WRONG_USAGE
    assert "install floe-cli[ui]" in outcome.err
    assert not (tmp_path / ".floe").exists()


async def test_a_ui_that_does_not_come_up_is_told_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "dagster"
    monkeypatch.setattr(dagster_ui, "_START_SECONDS", 0.5)
    with pytest.raises(UiFailed, match="made no Dagster instance"):
        async with dagster_ui.dagster_ui(StackFolder(tmp_path)):
            raise AssertionError("it came up")
    home.mkdir()
    (home / "dagster.yaml").write_text("no: such\nsetting: here\n")
    monkeypatch.setattr(dagster_ui, "_START_SECONDS", 120.0)
    with pytest.raises(UiFailed) as failed:
        async with dagster_ui.dagster_ui(StackFolder(tmp_path)):
            raise AssertionError("it came up")
    assert str(tmp_path / "dagster-ui.log") in (failed.value.hint or "")
