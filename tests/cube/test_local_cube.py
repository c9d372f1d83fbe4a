"""`floe up --cube`: the real Cube beside a stack, and what docs/how-to/serve-through-cube.md has people type."""

from __future__ import annotations

import json
import os
import re
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

ROOT: Final = Path(__file__).parents[2]
EXAMPLE: Final = ROOT / "examples" / "orders"
PAGE: Final = ROOT / "docs" / "how-to" / "serve-through-cube.md"
ELSEWHERE: Final = ("docker", "npm ci", "floe up")
"""What is not run here: images, packages with install scripts, and the stack that the fixture runs."""
FLOE: Final = Path(sys.executable).with_name("floe")
SHIM: Final = Path(__file__).with_name("native_shim.cjs")
NO_OWNER: Final = "rows have owners, and your token names none: the claim brand must be a text or a whole number"
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
        return CubeClient(self.cube, self.floe("semantic", "token", str(self.folder), *claims).strip())

    def typed(self, commands: str) -> str:
        """What a block of the page says, typed for this product and its Cube."""
        here = commands.replace("examples/orders", str(self.folder)).replace("http://127.0.0.1:4000", self.cube)
        environment = self.environment | {"PATH": f"{FLOE.parent}{os.pathsep}{self.environment['PATH']}"}
        shell = ["bash", "-euo", "pipefail", "-c", here]
        done = subprocess.run(
            shell, capture_output=True, text=True, env=environment, cwd=self.folder.parent, timeout=300, check=False
        )
        assert done.returncode == 0, commands + done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def up(cube_home: CubeHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    below = tmp_path_factory.mktemp("up")
    home, folder = below / "cube", below / "orders"
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


def test_what_the_page_has_people_type(up: Up) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    rendering, numbers, status, going_back = (block for block in blocks if not any(each in block for each in ELSEWHERE))
    assert "model/cubes/fct_orders.yml" in up.typed(rendering)
    assert (up.folder.parent / "orders-bundle" / "model" / "cubes" / "fct_orders.yml").is_file()

    said = up.typed(numbers)
    assert "; Cube serves it" in said
    [row] = json.loads(said[said.rindex('{"query":') :])["data"]
    assert (row["fct_orders.brand"], int(row["fct_orders.count"]) > 0) == ("aurora", True)
    assert "orders in dev  in sync" in up.typed(status)
    run = up.floe("status", str(up.folder)).partition("  run ")[2].split()[0]
    assert "Cube answered with its " in up.floe("trace", run, str(up.folder))

    marts = up.folder / "dbt" / "models" / "marts" / "marts.yml"
    before, exposed, after = marts.read_text().rpartition(", expose: true")
    marts.write_text(before + after)
    assert exposed
    up.floe("compile", str(up.folder))
    up.floe("semantic", "sync", str(up.folder), "-e", "dev")
    said = up.typed(going_back)
    assert said.splitlines()[0].startswith("no difference")
    assert said.count("served   by ") == 2


def test_who_sees_what_of_the_example(up: Up) -> None:
    up.floe("run", str(up.folder))
    up.floe("semantic", "sync", str(up.folder), "-e", "dev")
    nobody = up.client().load(QUERY)
    assert (nobody.status, nobody.body["error"]) == (403, NO_OWNER)
    emails = {"dimensions": ["dim_customers.email"], "limit": 1}
    aurora = ("--claim", "brand=aurora")
    assert [row["dim_customers.email"] for row in up.client(*aurora).load(emails).data] == ["[masked]"]
    [row] = up.client(*aurora, "--role", "data_owner").load(emails).data
    assert "@" in row["dim_customers.email"]
