"""`floe up --cube`: the real Cube beside a stack, from `floe run` to numbers, under the caller's own row filter."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from cube_client import CubeClient
from cube_home import CONFIGURATION, CubeHome

EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "orders"
FLOE: Final = Path(sys.executable).with_name("floe")
SHIM: Final = Path(__file__).with_name("native_shim.cjs")
QUERY: Final = {"measures": ["fct_orders.count"], "dimensions": ["fct_orders.brand"]}


@dataclass(frozen=True)
class Up:
    """A product that `floe up --cube` keeps, and the address of its Cube."""

    folder: Path
    cube: str
    environment: dict[str, str]

    def floe(self, *arguments: str) -> str:
        command = [str(FLOE), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def client(self, *claims: str) -> CubeClient:
        """A caller whose token the command signed."""
        named = [part for claim in claims for part in ("--claim", claim)]
        return CubeClient(self.cube, self.floe("semantic", "token", str(self.folder), *named).strip())


@pytest.fixture
def up(cube_home: CubeHome, tmp_path: Path) -> Iterator[Up]:
    home, folder = tmp_path / "cube", tmp_path / "orders"
    shutil.copytree(CONFIGURATION, home)
    (home / "node_modules").symlink_to(cube_home.folder / "node_modules")
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".floe"))
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("FLOE_", "CUBEJS_"))}
    of_the_shim = {"FLOE_SEMANTIC_CUBE_HOME": str(cube_home.folder), "NODE_OPTIONS": f'--require "{SHIM}"'}
    without_native = {"CUBEJS_TESSERACT_SQL_PLANNER": "false"}
    environment = plain | of_the_shim | without_native | {"FLOE_SEMANTIC_NODE": str(cube_home.node)}
    command = [str(FLOE), "up", str(folder), "--http-port", "0", "--cube", str(home), "--cube-port", "0"]
    stack = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert stack.stdout is not None
    said = {}
    for line in stack.stdout:
        name, _, rest = line.strip().partition(" ")
        said[name] = rest.strip()
        if name == "ready;":
            break
    yield Up(folder, said["cube"], plain)
    stack.send_signal(signal.SIGINT)
    stack.stdout.read()
    assert stack.wait(60) == 0


def test_numbers_of_the_example_under_the_callers_row_filter(up: Up) -> None:
    folder = str(up.folder)
    up.floe("run", folder)
    up.floe("semantic", "sync", folder, "-e", "dev")
    aurora = up.client("brand=aurora").load(QUERY)
    assert [row["fct_orders.brand"] for row in aurora.data] == ["aurora"]
    assert int(aurora.data[0]["fct_orders.count"]) > 0
    assert up.client().load(QUERY).body.get("data", []) == []
    assert "Cube answered with its " in up.floe("trace", _newest_run(up.floe("status", folder)), folder)


def _newest_run(status: str) -> str:
    return status.partition("  run ")[2].split()[0]
