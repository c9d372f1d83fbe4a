"""`floe up` outlives the death of its bus."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from floe_chassis.bus import Bus
from floe_cli.stack.connection import running

from .conftest import Recovery
from .processes import FLOE
from .products import TABLES, write_product


@pytest.fixture
def up(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    folder = write_product(tmp_path / "embedded", "embedded")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOE_")}
    process = subprocess.Popen(
        [FLOE, "up", str(folder), "--http-port", "0"], env=environment, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.terminate()
    assert process.wait(timeout=60) == 0


async def _until_it_is_back(folder: Path) -> None:
    """Connect, waiting for the bus; a command would give up at once."""
    settings = running(folder)
    assert settings is not None
    bus = Bus("test", settings)
    async with asyncio.timeout(60):
        await bus.connect()
    await bus.close()


async def test_bus_of_the_embedded_stack_killed(up: subprocess.Popen[str], tmp_path: Path, recovery: Recovery) -> None:
    assert up.stdout is not None
    assert any(line.startswith("ready") for line in up.stdout)
    (server,) = (child for child in psutil.Process(up.pid).children() if child.name() == "nats-server")
    server.kill()
    recovery()
    await asyncio.to_thread(server.wait, 60)
    await _until_it_is_back(tmp_path / "embedded")
    command = [FLOE, "run", "embedded", "--json"]
    done = await asyncio.to_thread(subprocess.run, command, cwd=tmp_path, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
    result = json.loads(done.stdout)
    assert result["status"] == "completed"
    assert {table["identifier"].rsplit(".", 1)[-1] for table in result["tables"]} == TABLES
    assert up.poll() is None
