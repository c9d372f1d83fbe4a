"""A Cube beside an embedded stack, in a process of its own: what `floe up --cube` starts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from floe_cli.errors import CubeFailed
from floe_cli.stack.folders import StackFolder
from floe_cli.stack.side_process import HOST, free_port, last_line, side_process
from floe_contracts.errors import WrongUsage
from floe_contracts.openlineage.naming import Place

KEY: Final = "CUBEJS_API_SECRET"
"""The setting of Cube that holds the key which tokens are signed with."""
_NODE: Final = 22
"""The oldest Node.js that Cube's packages run on."""
_ASK_SECONDS: Final = 60.0
_START_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.2
_FIRST_PAUSE_SECONDS: Final = 0.5
_PAUSE_SECONDS: Final = 30.0
_STEADY_SECONDS: Final = 60.0
"""A Cube that ran for so long was well."""
_SERVER: Final = Path("node_modules/@cubejs-backend/server/bin/server")
_DEFAULTS: Final = {
    "CUBEJS_CACHE_AND_QUEUE_DRIVER": "memory",
    "CUBEJS_SCHEDULED_REFRESH_TIMER": "false",
    "CUBEJS_TELEMETRY": "false",
}
"""One process without Cube Store; the caller's environment may say otherwise."""
# Cube itself listens to all networks that the machine is in.
_LOOPBACK: Final = """\
'use strict';
const { Server } = require('node:net');
const listen = Server.prototype.listen;
Server.prototype.listen = function (port, ...rest) {
  const anywhere = (typeof port === 'number' || typeof port === 'string') && typeof rest[0] !== 'string';
  return anywhere ? listen.call(this, Number(port), '127.0.0.1', ...rest) : listen.call(this, port, ...rest);
};
"""


@dataclass(frozen=True, slots=True)
class LocalCube:
    """A Cube to run beside a stack.

    Attributes:
        home: a folder with cube.js, and Cube in its node_modules.
        node: the program that runs it.
        place: whose bundle it asks for.
        port: where it answers; 0 takes a free one.
    """

    home: Path
    node: str
    place: Place
    port: int

    @property
    def gate(self) -> dict[str, str]:
        """Settings of the semantic service, for which Cube's compiler is at hand then."""
        return {"FLOE_SEMANTIC_CUBE_HOME": str(self.home), "FLOE_SEMANTIC_NODE": self.node}


def find_cube(home: Path, place: Place, port: int) -> LocalCube:
    """The Cube of a folder.

    Raises:
        WrongUsage: it has none, or there is no Node.js.
    """
    if not (home / "cube.js").is_file():
        raise WrongUsage(f"there is no cube.js in {home}", hint="name floe's own folder: deploy/cube")
    if not (home / _SERVER).is_file():
        raise WrongUsage(f"Cube is not installed in {home}", hint=f"npm ci --include=dev --prefix {home}")
    node = os.environ.get("FLOE_SEMANTIC_NODE") or shutil.which("node")
    hint = f"install Node.js {_NODE}, or set FLOE_SEMANTIC_NODE to its program"
    if node is None:
        raise WrongUsage("there is no Node.js", hint=hint)
    version = _version_of(node)
    if version is None or int(version.partition(".")[0]) < _NODE:
        told = f"is Node.js {version}, and Cube needs {_NODE} or newer" if version else "is no Node.js that can be run"
        raise WrongUsage(f"{node} {told}", hint=hint)
    return LocalCube(home.resolve(), node, place, port)


@asynccontextmanager
async def local_cube(
    cube: LocalCube, folder: StackFolder, semantic_url: str, write: Callable[[str], None] = lambda _: None
) -> AsyncIterator[str]:
    """Run Cube as long as the context lasts, and start it again whenever it ends; its address on this machine.

    Args:
        cube: what is run.
        folder: of the stack; the log, and the key that tokens are signed with, are kept there.
        semantic_url: where it asks for its bundle.
        write: told when it ended, and why.

    Raises:
        CubeFailed: it did not come up.
    """
    own = folder.root / "cube"
    own.mkdir(parents=True, exist_ok=True)
    loopback = own / "loopback.cjs"
    loopback.write_text(_LOOPBACK)
    port = cube.port or free_port()
    _check_free(port)
    environment = cube_environment(os.environ, folder, cube.place, semantic_url) | {"PORT": str(port)}
    command = [cube.node, "--require", str(loopback), str(cube.home / _SERVER)]
    log = own / "cube.log"
    address = f"http://{HOST}:{port}"

    def process() -> AbstractAsyncContextManager[subprocess.Popen[bytes]]:
        return side_process(command, folder=cube.home, environment=environment, log=log)

    came_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    keeping = asyncio.create_task(_keep(process, address, log, came_up, write), name="cube")
    try:
        await came_up
        yield address
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def _keep(
    process: Callable[[], AbstractAsyncContextManager[subprocess.Popen[bytes]]],
    address: str,
    log: Path,
    came_up: asyncio.Future[None],
    write: Callable[[str], None],
) -> None:
    """Run Cube again and again, more slowly the sooner it ends; one that never came up is not started again."""
    pause = _FIRST_PAUSE_SECONDS
    while True:
        started = time.monotonic()
        try:
            async with process() as running:
                await asyncio.to_thread(_await_answer, running, address, log)
                if not came_up.done():
                    came_up.set_result(None)
                while running.poll() is None:  # noqa: ASYNC110 -- a process of its own, which sets no event
                    await asyncio.sleep(_LOOK_SECONDS)
            why = f"Cube ended with {running.returncode}"
        except (CubeFailed, OSError, subprocess.SubprocessError) as error:
            if not came_up.done():
                came_up.set_exception(error)
                return
            why = str(error)
        kept = await asyncio.to_thread(log.replace, log.with_name(f"{log.name}.1"))
        pause = _FIRST_PAUSE_SECONDS if time.monotonic() - started > _STEADY_SECONDS else min(2 * pause, _PAUSE_SECONDS)
        write(f"cube     {why}; it is started again in {pause:g} s, what it said is {kept}")
        await asyncio.sleep(pause)


def cube_environment(given: Mapping[str, str], folder: StackFolder, place: Place, semantic_url: str) -> dict[str, str]:
    """The settings of a local Cube. It reads what has landed, unless the caller names another kind of database."""
    own = {
        "FLOE_SEMANTIC_URL": semantic_url,
        "FLOE_ENVIRONMENT": place.environment,
        "FLOE_PRODUCT": place.product,
        KEY: given.get(KEY) or kept_secret(folder),
    }
    if token := given.get("FLOE_SEMANTIC_CUBE_TOKEN"):
        own["FLOE_CUBE_TOKEN"] = token
    if given.get("CUBEJS_DB_TYPE", "duckdb") == "duckdb":
        own["FLOE_SERVE_DATABASE"] = str(folder.serve_database(place.tenant, place.environment, place.product))
    return _DEFAULTS | dict(given) | own


def kept_secret(folder: StackFolder) -> str:
    """The key of the folder's Cube, made when it is first asked for; only its owner may read it."""
    file = folder.cube_secret
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        # Whole or not there: whoever is killed here must not leave an empty key.
        made = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
        try:
            descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as opened:
                opened.write(secrets.token_hex(32))
            with contextlib.suppress(FileExistsError):  # somebody else was faster, and theirs is the key
                os.link(made, file)
        finally:
            made.unlink(missing_ok=True)
    return file.read_text().strip()


def known_secret(folder: StackFolder) -> str:
    """The key of the folder's Cube.

    Raises:
        WrongUsage: no Cube was started there.
    """
    try:
        return folder.cube_secret.read_text().strip()
    except FileNotFoundError:
        raise WrongUsage(
            f"no Cube was started in {folder.root.parent}",
            hint=f"name the folder of floe up --cube, or set {KEY} to the key of the Cube that is asked",
        ) from None


def _version_of(node: str) -> str | None:
    """Of a program, 22.1.0; None where it is no Node.js."""
    try:
        command = [node, "--version"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.fullmatch(r"v(\d+(?:\.\d+)*)", done.stdout.strip())
    return found[1] if found else None


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise CubeFailed(
                f"Cube cannot listen on {HOST}:{port}: {error.strerror}", hint="name another port with --cube-port"
            ) from error


def _await_answer(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/livez", timeout=10):  # noqa: S310 -- our own Cube
                return
        except urllib.error.HTTPError:  # it answers, if only that something is missing
            return
        except OSError:
            time.sleep(_LOOK_SECONDS)
    raise CubeFailed(f"Cube did not start: {_complaint(log)}", hint=f"see {log}")


def _complaint(log: Path) -> str:
    """Why Node.js ended: what was thrown comes before its stack, and the last line is but the version of Node.js."""
    thrown = re.search(r"^(?:Uncaught )?\w*Error\b[^:\n]*: .+$", log.read_text(errors="replace"), re.MULTILINE)
    return thrown[0] if thrown else last_line(log)
