"""`floe up` outlives the death of its bus."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

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
    assert process.wait(timeout=30) == 0


def test_bus_of_the_embedded_stack_killed(up: subprocess.Popen[str], tmp_path: Path, recovery: Recovery) -> None:
    assert up.stdout is not None
    assert any(line.startswith("ready") for line in up.stdout)
    (server,) = (child for child in psutil.Process(up.pid).children() if child.name() == "nats-server")
    server.kill()
    recovery()
    done = subprocess.run(
        [FLOE, "run", "embedded", "--json"], cwd=tmp_path, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    result = json.loads(done.stdout)
    assert result["status"] == "completed"
    assert {table["identifier"].rsplit(".", 1)[-1] for table in result["tables"]} == TABLES
    assert up.poll() is None
