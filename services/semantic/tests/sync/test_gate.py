"""Cube's own compiler takes every bundle before it is offered."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from floe_chassis.testing import eventually
from floe_contracts.nodes import NodeGraph
from floe_contracts.semantic_states import SemanticState
from floe_semantic.adapters import cube_compiler
from floe_semantic.adapters.cube_compiler import CubeCompiler
from floe_semantic.core.rendering.render import render
from floe_semantic.core.rendering.serving import Rendering, Unrenderable, prepare
from floe_semantic.errors import BundleRefused, CompilerMissing, GateBroken, GateExceeded

from .playing_cube import PlayedCube, Publisher, Start, polled

ROOT = Path(__file__).parents[4]
BROKEN = {
    "model/cubes/good.yml": "cubes:\n  - name: good\n    sql_table: t\n    measures: [{name: count, type: count}]\n",
    "model/cubes/bad.yml": "cubes:\n  - name: bad\n    sql_table: t\n    description: a {brace} too many\n"
    "    dimensions:\n      - {name: x, sql: x, type: colour}\n",
}


@pytest.fixture(scope="session")
def cube_home() -> Path:
    """Cube as `make cube` installs it; without it the test is skipped."""
    home = ROOT / ".cube"
    if not (home / ".floe-setup").exists():
        pytest.skip("Cube is not installed: `make cube` installs it")
    return home


@pytest.fixture
def pretended(tmp_path: Path) -> Callable[[str], Path]:
    """A folder whose `node_modules` has a compiler that does this."""

    def make(script: str) -> Path:
        package = tmp_path / "node_modules/@cubejs-backend/schema-compiler"
        package.mkdir(parents=True)
        (tmp_path / "package.json").write_text("{}")
        (package / "package.json").write_text('{"main": "index.js"}')
        (package / "index.js").write_text(script)
        return tmp_path

    return make


async def test_what_is_rendered_passes(
    cube_home: Path, node: str, shop: NodeGraph, make_artifact: Callable[..., Any]
) -> None:
    policies = {"pii": ("mask", ("data_owner",)), "financial": ("restrict", ("finance",))}
    compiler = CubeCompiler(cube_home, node, 120)
    await compiler.check(render(make_artifact(prod=policies), shop, "prod").files)


async def test_what_cube_cannot_read_is_refused_in_its_words(cube_home: Path, node: str) -> None:
    compiler = CubeCompiler(cube_home, node, 120)
    for _ in range(2):  # in a fresh process each time, so that the second answer is the same
        with pytest.raises(BundleRefused) as refused:
            await compiler.check(BROKEN)
        assert "brace" in refused.value.message or "colour" in refused.value.message


def test_what_is_parsed_once_is_taken_and_refused_as_ever(
    cube_home: Path, node: str, shop: NodeGraph, make_artifact: Callable[..., Any]
) -> None:
    policies = {"pii": ("mask", ("data_owner",)), "financial": ("restrict", ("finance",))}
    good = dict(render(make_artifact(prod=policies), shop, "prod").files)
    unreadable = BROKEN["model/cubes/good.yml"] + "    description: an {!!open} brace\n"
    twice = {f"model/cubes/{name}.yml": unreadable.replace("good", name) for name in ("one", "two")}
    adapters = Path(cube_compiler.__file__).parent

    def said(files: dict[str, str], *options: str) -> list[str]:
        body = json.dumps({"files": [{"path": path, "content": text} for path, text in files.items()]})
        done = subprocess.run(
            [node, *options, str(adapters / "compile_bundle.cjs"), str(cube_home)],
            input=body.encode(),
            stdout=subprocess.PIPE,
            check=True,
            env={"PATH": os.environ["PATH"], "FLOE_GATE_CUBE_HOME": str(cube_home)},
        )
        errors: list[str] = json.loads(done.stdout)["errors"]
        return errors

    once = ("--require", str(adapters / "parse_once.cjs"))
    assert said(good) == said(good, *once) == []
    refused = said(twice, *once)
    assert refused == said(twice)
    for name in twice:
        assert f"{Path(name).stem} cube" in str(refused)
    undefined = said(BROKEN, *once)
    assert undefined == said(BROKEN)
    assert "brace is not defined" in str(undefined)


@pytest.mark.bus
async def test_a_refused_bundle_is_never_offered(
    cube_home: Path,
    node: str,
    start: Start,
    session: aiohttp.ClientSession,
    publish: Publisher,
    shop: NodeGraph,
    without_orders: NodeGraph,
    served: Callable[..., Awaitable[str]],
    state: Callable[..., Awaitable[SemanticState]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with start(FLOE_SEMANTIC_CUBE_HOME=str(cube_home), FLOE_SEMANTIC_NODE=node) as service:
        cube = PlayedCube(session, str(service.http_address))
        digest = await served(cube, "a", shop)
        good = await state()
        assert good.served is not None
        assert good.served.gate == "passed"
        check = CubeCompiler.check

        async def broken(self: CubeCompiler, files: Any) -> None:
            await check(self, {**files, **BROKEN})

        monkeypatch.setattr(CubeCompiler, "check", broken)
        await publish.compiled("b", without_orders)

        async def refused() -> bool:
            return [problem.code for problem in (await state()).problems] == ["FLOE-SEM-003"]

        await eventually(refused)
        assert await polled(cube, 304)
        offered = (await state()).offered
        assert offered is not None
        assert offered.bundle_digest == digest


def _commands_with(argument: str) -> list[list[str]]:
    """The commands of this process's children that have `argument`; other tests have a compiler of theirs."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            found.append(child.cmdline())
    return [command for command in found if argument in command]


async def test_a_compiler_that_does_not_end_is_ended(pretended: Callable[[str], Path], node: str) -> None:
    home = pretended("exports.prepareCompiler = () => { for (;;) {} };")
    with pytest.raises(GateExceeded):
        await CubeCompiler(home, node, 2).check({"a.yml": "x"})
    assert not _commands_with(str(home))


async def test_a_compiler_that_takes_all_memory_is_told_apart(pretended: Callable[[str], Path], node: str) -> None:
    home = pretended(
        "exports.prepareCompiler = () => { process.stderr.write('JavaScript heap out of memory'); process.abort(); };"
    )
    with pytest.raises(GateExceeded):
        await CubeCompiler(home, node, 60).check({"a.yml": "x"})


@pytest.mark.parametrize(
    "script",
    [
        "process.exit(1);",
        "process.exit(0);",
        "process.stdout.write('rubbish', () => process.exit(0));",
        "throw new Error('of its own');",
        "exports.other = 1;",
        "process.stdout.write('x'.repeat(5000000), () => process.exit(7));",
    ],
    ids=["fails", "says nothing", "rubbish", "throws", "another package", "talks on"],
)
async def test_a_compiler_without_an_answer_is_tried_again(
    pretended: Callable[[str], Path], node: str, script: str
) -> None:
    compiler = CubeCompiler(pretended(script), node, 60)
    if script == "exports.other = 1;":  # `prepareCompiler` is no function: what it throws is what Cube says
        with pytest.raises(BundleRefused):
            await compiler.check({"a.yml": "x"})
        return
    with pytest.raises(GateBroken):
        await compiler.check({"a.yml": "x" * 1_000_000})


async def test_a_compiler_that_is_cut_off_leaves_nothing(pretended: Callable[[str], Path], node: str) -> None:
    home = pretended(
        "exports.prepareCompiler = () => ({compiler: {compile: () => new Promise(() => setInterval(() => {}, 1e3))}});"
    )
    checking = asyncio.create_task(CubeCompiler(home, node, 60).check({"a.yml": "x"}))

    def running() -> list[psutil.Process]:
        found = []
        for child in psutil.Process().children():
            with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
                if str(home) in " ".join(child.cmdline()):
                    found.append(child)
        return found

    (child,) = await eventually(running)
    checking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await checking
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_settings_that_lead_nowhere_are_told_at_the_start(
    tmp_path: Path, pretended: Callable[[str], Path], environment: dict[str, str]
) -> None:
    from floe_semantic.app import create_app

    old = tmp_path / "old-node"
    old.write_text("#!/bin/sh\necho v18.0.0\n")
    old.chmod(0o755)
    with pytest.raises(CompilerMissing, match="no node_modules"):
        create_app({**environment, "FLOE_SEMANTIC_CUBE_HOME": str(tmp_path)})
    home = pretended("")
    for program, said in (("no-such-program", "no program"), (str(old), "Node 18"), ("/bin/false", "--version")):
        with pytest.raises(CompilerMissing, match=said):
            create_app({**environment, "FLOE_SEMANTIC_CUBE_HOME": str(home), "FLOE_SEMANTIC_NODE": program})


async def test_without_a_compiler_the_gate_is_not_run(
    publish: Publisher, shop: NodeGraph, make_artifact: Callable[..., Any]
) -> None:
    artifact = make_artifact(prod={}, nodes={"prod": await publish.graph(shop)})
    stored = await prepare(Rendering(publish.blobs, None), artifact, "prod")
    assert stored.gate == "not_run"
    empty = make_artifact(prod={}, nodes={"prod": await publish.graph(shop.model_copy(update={"nodes": ()}))})
    with pytest.raises(Unrenderable, match="FLOE-SEM-001"):
        await prepare(Rendering(publish.blobs, None), empty, "prod")
