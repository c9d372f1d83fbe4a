"""`floe semantic`, beside an embedded stack that a Cube asks for its bundle: the Cube is played, all else is real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from floe_cli.errors import CubeAbsent, CubeUndecided
from floe_cli.exit_codes import ExitCode

from .played_cube import PlayedCube

pytestmark = pytest.mark.dbt

Floe = Callable[..., Any]
FLOE = Path(sys.executable).with_name("floe")
CHANGED = """\
models:
  - name: orders
    config: {meta: {floe: {expose: true}}}
    columns: [{name: id, data_tests: [unique, not_null]}, {name: customer}]
"""


@dataclass(frozen=True)
class Shop:
    """A product of the stack, and where the semantic service answers Cube."""

    name: str
    folder: Path
    address: str
    blobs: Path

    @property
    def schema(self) -> Path:
        return self.folder / "dbt/models/schema.yml"

    def cube(self) -> PlayedCube:
        return PlayedCube(self.address, self.blobs, "dev", self.name)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What `floe up` of an empty folder says, as long as it runs."""
    folder = tmp_path_factory.mktemp("up")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOE_")}
    command = [FLOE, "up", folder, "--http-port", "0"]
    stack = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert stack.stdout is not None
    said = {"blobs": str(folder / ".floe" / "blobs")}
    for line in stack.stdout:
        name, _, rest = line.strip().partition(" ")
        said[name] = rest.strip()
        if name == "ready;":
            break
    yield said
    stack.send_signal(signal.SIGINT)
    stack.stdout.read()
    assert stack.wait(60) == 0


@pytest.fixture
def shop(
    up: dict[str, str],
    product: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Shop:
    """A product of the test's own, whose stack the environment names."""
    name = f"shop-{request.node.name.replace('_', '-')[:20]}"
    made = product(name=name)
    document = made / "floe.yaml"
    document.write_text(document.read_text().replace("name: shop", f"name: {name}"))
    monkeypatch.setenv("FLOE_NATS_URL", up["bus"])
    monkeypatch.setenv("FLOE_BLOBS_URL", f"file://{up['blobs']}")
    return Shop(name, made, up["semantic"], Path(up["blobs"]))


def until(fact: Callable[[], Any]) -> Any:
    """Wait for a fact."""
    deadline = time.monotonic() + 60
    while not (found := fact()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def in_status(floe: Floe, shop: Shop, status: str) -> dict[str, Any]:
    """Wait until the product has it."""
    code = ExitCode.RUN_FAILED if status == "failed" else ExitCode.OK

    def reached() -> dict[str, Any] | None:
        said = floe("semantic", "status", shop.folder, "-p", shop.name, "--json")
        for found in json.loads(said.out)["products"] if said.out else ():
            if found["status"] == status and found["wanted"] and said.code == code:
                return dict(found)
        return None

    return dict(until(reached))


def test_a_bundle_from_its_draft_to_a_refusal(shop: Shop, floe: Floe) -> None:
    def semantic(command: str, *arguments: str, code: int = 0) -> Any:
        said = floe("semantic", command, shop.folder, "-p", shop.name, *arguments)
        assert said.code == code, said.out + said.err
        return said

    draft = json.loads(floe("semantic", "render", shop.folder, "--json").out)
    assert draft["cubes"] == ["orders"]
    assert "name: orders" in draft["files"][0]["content"]
    semantic("status", code=ExitCode.WRONG_USAGE)
    semantic("rollback", code=ExitCode.WRONG_USAGE)

    # Rendered, and no Cube is there.
    assert floe("compile", shop.folder).code == 0
    first = in_status(floe, shop, "pending")["wanted"]["bundle_digest"]
    assert first == draft["bundle_digest"]
    assert "none asks for it" in semantic("status").out
    said = semantic("status", "-e", "devv", code=ExitCode.WRONG_USAGE)
    assert "nothing is live in 'devv'" in said.err
    assert "did you mean 'dev'?" in said.err
    assert "no Cube has answered with it yet" in floe("status", shop.folder).out
    said = semantic("sync", "--wait", "0.1", code=ExitCode.UNREACHABLE)
    assert CubeAbsent.code in said.err
    semantic("sync", "--wait", "0")
    assert "that is served" in semantic("diff", code=ExitCode.WRONG_USAGE).err

    with shop.cube() as cube:
        until(lambda: cube.serving == first)
        assert in_status(floe, shop, "in_sync")["instances"][0]["instance"] == "played"
        assert "no difference" in semantic("diff", "--to", "folder").out

        # A change: looked at, then served.
        shop.schema.write_text(CHANGED)
        assert "+      - name: customer" in semantic("diff", "--to", "folder").out.splitlines()
        assert floe("compile", shop.folder).code == 0
        second = until(lambda: cube.serving if cube.serving != first else None)
        assert semantic("sync").out.splitlines()[-1] == "served   by played"

        rolled = json.loads(semantic("rollback", "--json").out)
        assert (rolled["outcome"], cube.serving) == ("served", first)
        assert in_status(floe, shop, "pinned")["history"][0]["bundle_digest"] == first
        assert "-      - name: customer" in semantic("diff", "--from", second[:20]).out.splitlines()
        semantic("sync")
        assert cube.serving == second

        # What Cube refuses is told, and the last good one stays.
        cube.refusal = "orders: the is not defined"
        shop.schema.write_text(CHANGED.replace("{name: customer}", "{name: other}"))
        assert floe("compile", shop.folder).code == 0
        state = in_status(floe, shop, "failed")
        assert (state["served"]["bundle_digest"], cube.serving) == (second, second)
        assert cube.refusal in semantic("status", code=ExitCode.RUN_FAILED).err
        said = semantic("sync", code=ExitCode.RUN_FAILED)
        assert ("refused; Cube serves" in said.out, cube.refusal in said.err) == (True, True)
        assert "refused by Cube: " in floe("status", shop.folder).out


def test_what_cannot_be_rendered(shop: Shop, floe: Floe, tmp_path: Path) -> None:
    """Nothing of it is announced, whatever is wrong."""
    out = tmp_path / "out"
    assert floe("semantic", "render", shop.folder, "--out", out).code == 0
    assert (out / "model/cubes/orders.yml").is_file()
    said = floe("semantic", "render", shop.folder, "--out", out)
    assert (said.code, "is not empty" in said.err) == (ExitCode.WRONG_USAGE, True)
    assert floe("semantic", "render", shop.folder, "-e", "prod").code == ExitCode.WRONG_USAGE
    shop.schema.write_text(shop.schema.read_text().replace("expose: true", "expose: false"))
    said = floe("semantic", "render", shop.folder)
    assert (said.code, "FLOE-SEM-001" in said.err) == (ExitCode.COMPILATION_FAILED, True)
    (shop.folder / "dbt/models/orders.sql").write_text("select * from {{ ref('nowhere') }}")
    said = floe("semantic", "render", shop.folder)
    assert (said.code, "nowhere" in said.err) == (ExitCode.COMPILATION_FAILED, True)
    assert floe("semantic", "status", shop.folder, "-p", shop.name).code == ExitCode.WRONG_USAGE


def test_a_cube_that_does_not_answer_is_not_waited_for_longer_than_asked(shop: Shop, floe: Floe) -> None:
    assert floe("compile", shop.folder).code == 0
    with shop.cube() as cube:
        until(lambda: cube.serving)
    shop.schema.write_text(CHANGED)
    assert floe("compile", shop.folder).code == 0
    in_status(floe, shop, "pending")
    said = floe("semantic", "sync", shop.folder, "-p", shop.name, "--wait", "0.1")
    assert (said.code, CubeUndecided.code in said.err) == (ExitCode.UNREACHABLE, True)


def test_a_run_waits_for_the_cube_that_asks(shop: Shop, floe: Floe) -> None:
    with shop.cube() as cube:
        said = floe("run", shop.folder, "--json")
        made = json.loads(said.out)
        assert (said.code, made["cube_outcome"], made["cube_serves"]) == (0, "served", True)
        assert cube.serving == made["cube_bundle_digest"] == made["cube_serving"]

    # What cannot be rendered is told, and fails no run.
    shop.schema.write_text(shop.schema.read_text().replace("expose: true", "expose: false"))
    said = floe("run", shop.folder)
    assert (said.code, "FLOE-SEM-001" in said.err) == (0, True)
    assert f"not rendered; Cube goes on with {made['cube_serving'].removeprefix('sha256:')[:12]}" in said.out
