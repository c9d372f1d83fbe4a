"""A Cube beside the stack: where it is found, what it is told, how it ends, and tokens to ask it with."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import shutil
import signal
import socket
import stat
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from floe_chassis.testing import eventually
from floe_cli.errors import CubeFailed, DraftRefused
from floe_cli.exit_codes import ExitCode
from floe_cli.show_problems import show_error
from floe_cli.stack.folders import StackFolder
from floe_cli.stack.local_cube import KEY, LocalCube, cube_environment, find_cube, kept_secret, local_cube
from floe_contracts.errors import WrongUsage
from floe_contracts.events import Problem
from floe_contracts.openlineage.naming import Place

PLACE = Place("acme", "dev", "shop_one")
URL = "http://127.0.0.1:8081"
SERVER = """\
const settings = { FLOE_PRODUCT: process.env.FLOE_PRODUCT, FLOE_SEMANTIC_URL: process.env.FLOE_SEMANTIC_URL };
const server = require('node:http').createServer((_, answer) =>
  answer.end(JSON.stringify({ ...settings, address: server.address().address, pid: process.pid })));
server.listen(Number(process.env.PORT));
"""
"""Stands for Cube's own program, which tests/cube starts for real."""


def answered(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 -- our own server
        found: dict[str, Any] = json.load(answer)
        return found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder that looks like deploy/cube after npm ci."""
    folder = tmp_path / "cube"
    program = folder / "node_modules/@cubejs-backend/server/bin/server"
    program.parent.mkdir(parents=True)
    program.write_text(SERVER)
    (folder / "cube.js").write_text("")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> StackFolder:
    made = StackFolder(tmp_path / ".floe")
    made.root.mkdir()
    return made


def node_of_version(folder: Path, said: str) -> str:
    """A program that says so when it is asked for its version."""
    program = folder / f"node-{said}"
    program.write_text(f"#!/bin/sh\necho {said}\n")
    program.chmod(0o755)
    return str(program)


def test_a_cube_is_found_in_its_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = node_of_version(home, "v22.4.1")
    monkeypatch.setenv("FLOE_SEMANTIC_NODE", own)
    found = find_cube(home, PLACE, 4000)
    assert (found.home, found.node) == (home, own)
    assert found.gate == {"FLOE_SEMANTIC_CUBE_HOME": str(home), "FLOE_SEMANTIC_NODE": own}
    monkeypatch.setenv("FLOE_SEMANTIC_NODE", node_of_version(home, "v20.19.0"))
    with pytest.raises(WrongUsage, match=r"is Node\.js 20\.19\.0, and Cube needs 22"):
        find_cube(home, PLACE, 4000)
    for other in ("/opt/node", node_of_version(home, "Python")):
        monkeypatch.setenv("FLOE_SEMANTIC_NODE", other)
        with pytest.raises(WrongUsage, match=r"no Node\.js that can be run"):
            find_cube(home, PLACE, 4000)
    monkeypatch.delenv("FLOE_SEMANTIC_NODE")
    monkeypatch.setenv("PATH", str(home))
    with pytest.raises(WrongUsage, match=r"no Node\.js"):
        find_cube(home, PLACE, 4000)
    shutil.rmtree(home / "node_modules")
    with pytest.raises(WrongUsage, match="not installed") as refused:
        find_cube(home, PLACE, 4000)
    assert "npm ci" in str(refused.value.hint)
    (home / "cube.js").unlink()
    with pytest.raises(WrongUsage, match=r"no cube\.js"):
        find_cube(home, PLACE, 4000)


def test_what_a_cube_is_told(folder: StackFolder) -> None:
    told = cube_environment({"PATH": "/bin", "CUBEJS_TELEMETRY": "true"}, folder, PLACE, URL)
    assert told["FLOE_SERVE_DATABASE"] == str(folder.root / "serve" / "acme" / "dev" / "shop_5fone" / "serve.duckdb")
    assert (told["FLOE_SEMANTIC_URL"], told["FLOE_ENVIRONMENT"], told["FLOE_PRODUCT"]) == (URL, "dev", "shop_one")
    assert (told["PATH"], told["CUBEJS_TELEMETRY"], told[KEY]) == ("/bin", "true", kept_secret(folder))
    assert "FLOE_CUBE_TOKEN" not in told
    assert stat.S_IMODE(folder.cube_secret.stat().st_mode) == 0o600
    given = {"CUBEJS_DB_TYPE": "postgres", KEY: "mine", "FLOE_SEMANTIC_CUBE_TOKEN": "t"}
    told = cube_environment(given, folder, PLACE, URL)
    assert (told[KEY], told["FLOE_CUBE_TOKEN"], "FLOE_SERVE_DATABASE" in told) == ("mine", "t", False)


async def test_a_cube_listens_to_this_machine_alone_and_ends_with_the_stack(
    home: Path, folder: StackFolder, node: str
) -> None:
    async with local_cube(LocalCube(home, node, PLACE, 0), folder, URL) as address:
        told = await asyncio.to_thread(answered, f"{address}/livez")
        assert (told["FLOE_PRODUCT"], told["FLOE_SEMANTIC_URL"], told["address"]) == ("shop_one", URL, "127.0.0.1")

    def ended() -> bool:
        try:
            os.kill(told["pid"], 0)
        except ProcessLookupError:
            return True
        return False

    assert await eventually(ended)


async def test_a_cube_that_ends_is_started_again_and_told_of(home: Path, folder: StackFolder, node: str) -> None:
    told: list[str] = []
    async with local_cube(LocalCube(home, node, PLACE, 0), folder, URL, told.append) as address:
        first = (await asyncio.to_thread(answered, address))["pid"]
        os.kill(first, signal.SIGKILL)

        async def another() -> bool:
            try:
                return bool((await asyncio.to_thread(answered, address))["pid"] != first)
            except OSError:
                return False

        assert await eventually(another)
    [line] = told
    assert "Cube ended with 137" in line
    assert (folder.root / "cube" / "cube.log.1").name in line
    assert (folder.root / "cube" / "cube.log.1").is_file()


async def test_a_cube_that_does_not_start_says_why(home: Path, folder: StackFolder, node: str) -> None:
    (home / "node_modules/@cubejs-backend/server/bin/server").write_text("console.log('no native'); process.exit(1)")
    with pytest.raises(CubeFailed, match="no native") as failed:
        async with local_cube(LocalCube(home, node, PLACE, 0), folder, URL):
            pass
    assert "cube.log" in str(failed.value.hint)
    (home / "node_modules/@cubejs-backend/server/bin/server").write_text("throw new TypeError('no shim')")
    with pytest.raises(CubeFailed, match=r"start: TypeError: no shim \("):
        async with local_cube(LocalCube(home, node, PLACE, 0), folder, URL):
            pass
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CubeFailed, match=str(port)) as failed:
            async with local_cube(LocalCube(home, node, PLACE, port), folder, URL):
                pass
    assert "--cube-port" in str(failed.value.hint)


def test_what_is_wrong_with_a_cube_is_told_before_anything_is_started(floe: Callable[..., Any], product: Any) -> None:
    made = product()
    said = floe("up", made, "--cube", made)
    assert (said.code, "there is no cube.js" in said.err) == (ExitCode.WRONG_USAGE, True)
    assert not (made / ".floe").exists()


def claims(token: str, secret: str) -> dict[str, Any]:
    """What a token says, once its signature is checked."""
    header, body, signature = token.split(".")
    made = hmac.new(secret.encode(), f"{header}.{body}".encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)) == made
    assert json.loads(base64.urlsafe_b64decode(header + "==")) == {"alg": "HS256", "typ": "JWT"}
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


def test_whoever_is_killed_while_the_key_is_made_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = StackFolder(tmp_path / ".floe")
    with monkeypatch.context() as killed:
        killed.setattr("secrets.token_hex", lambda size: "x" if size == 8 else sys.exit())
        with pytest.raises(SystemExit):
            kept_secret(folder)
    assert len(kept_secret(folder)) == 64
    assert kept_secret(folder) == kept_secret(folder)
    assert [(item.name, stat.S_IMODE(item.stat().st_mode)) for item in folder.cube_secret.parent.iterdir()] == [
        (folder.cube_secret.name, 0o600)
    ]


def test_a_token_is_signed_with_the_key_of_the_folder(
    floe: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY, raising=False)
    said = floe("semantic", "token", tmp_path)
    assert (said.code, said.out, "no Cube was started in" in said.err) == (ExitCode.WRONG_USAGE, "", True)
    assert list(tmp_path.iterdir()) == []
    kept_secret(StackFolder(tmp_path / ".floe"))
    said = floe("semantic", "token", tmp_path, "--claim", "brand=Größe=1", "--claim", "org.id=7", "--role", "a b")
    told = claims(said.out.strip(), kept_secret(StackFolder(tmp_path / ".floe")))
    assert told.pop("exp") > time.time()
    assert told == {"brand": "Größe=1", "org": {"id": "7"}, "roles": ["a b"]}
    monkeypatch.setenv(KEY, "mine")
    said = floe("semantic", "token", tmp_path, "--role", "x", "--roles-claim", "realm.roles", "--minutes", "1")
    told = claims(said.out.strip(), "mine")
    assert (told["realm"], told["exp"] <= time.time() + 60) == ({"roles": ["x"]}, True)


@pytest.mark.parametrize(
    "named",
    [["brand"], ["=x"], ["a..b=x"], ["a=1", "a=2"], ["a=1", "a.b=2"], ["exp=1"]],
    ids=["no-value", "no-name", "hole", "twice", "within", "exp"],
)
def test_claims_that_cannot_be(floe: Callable[..., Any], tmp_path: Path, named: list[str]) -> None:
    said = floe("semantic", "token", tmp_path, *(part for one in named for part in ("--claim", one)))
    assert (said.code, said.out) == (ExitCode.WRONG_USAGE, "")


def test_a_draft_that_is_refused_is_told_as_a_failed_compilation(capsys: pytest.CaptureFixture[str]) -> None:
    refused = DraftRefused([Problem(code="FLOE-SEM-001", message="no model is exposed")])
    assert show_error(refused) is ExitCode.COMPILATION_FAILED
    assert "no model is exposed" in capsys.readouterr().err
