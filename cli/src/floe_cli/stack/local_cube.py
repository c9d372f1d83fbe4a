"""A Cube beside an embedded stack, in a process of its own: what `floe up --cube` starts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
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
_START_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.2
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
    if node is None:
        raise WrongUsage("there is no Node.js", hint="install Node.js 22, or set FLOE_SEMANTIC_NODE to its program")
    return LocalCube(home.resolve(), node, place, port)


@asynccontextmanager
async def local_cube(cube: LocalCube, folder: StackFolder, semantic_url: str) -> AsyncIterator[str]:
    """Run Cube as long as the context lasts; its address on this machine.

    Args:
        cube: what is run.
        folder: of the stack; the log, and the key that tokens are signed with, are kept there.
        semantic_url: where it asks for its bundle.

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
    async with side_process(command, folder=cube.home, environment=environment, log=log) as process:
        await asyncio.to_thread(_await_answer, process, address, log)
        yield address


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
    raise CubeFailed(f"Cube did not start: {last_line(log)}", hint=f"see {log}")
