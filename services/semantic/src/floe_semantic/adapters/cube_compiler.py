"""The gate before Cube: its own schema compiler, in a fresh process of Node.

Fresh, because Cube's compiler keeps what it has parsed: policies that it could not read once are taken without a word
the next time, with the broken parts left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
from asyncio.subprocess import PIPE, Process
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog

from floe_semantic.errors import BundleRefused, CompilerMissing, GateBroken, GateExceeded

OLDEST_NODE: Final = 20
_SCRIPT: Final = Path(__file__).with_name("compile_bundle.cjs")
_PARSE_ONCE: Final = Path(__file__).with_name("parse_once.cjs")
_PACKAGE: Final = Path("node_modules", "@cubejs-backend", "schema-compiler", "package.json")
_MEMORY_MEGABYTES: Final = 2048
_MOST_OUTPUT: Final = 1024 * 1024
_MOST_SAID: Final = 4000
_MOST_KEPT: Final = 256
"""Bundles that are remembered as taken: an artifact is often the same as the one before in all environments but one."""
_VERSION_SECONDS: Final = 30
_OUT_OF_MEMORY: Final = "heap out of memory"

_log = structlog.get_logger("floe.semantic")


class CubeCompiler:
    """Compiles bundles, one after the other.

    Args:
        home: folder whose `node_modules` holds Cube's schema compiler.
        node: the program; a name is looked up on the PATH.
        seconds: how long a bundle may take.

    Raises:
        CompilerMissing: there is no such program or package, or Node is too old.
    """

    def __init__(self, home: Path, node: str, seconds: float) -> None:
        self._home = home.resolve()
        if not (self._home / _PACKAGE).is_file():
            raise CompilerMissing(
                f"{home} has no node_modules/@cubejs-backend/schema-compiler",
                hint="FLOE_SEMANTIC_CUBE_HOME is the folder in which Cube is installed with npm",
            )
        self._node = _found(node)
        self._seconds = seconds
        self._turn = asyncio.Lock()
        self._passed: OrderedDict[bytes, None] = OrderedDict()

    async def check(self, files: Mapping[str, str]) -> None:
        """Have the compiler take the files of a bundle, path -> text.

        Raises:
            BundleRefused: it does not; says what the compiler says.
            GateExceeded: it took more time or memory than it may.
            GateBroken: the process could not start, or was ended from outside.
        """
        body = json.dumps({"files": [{"path": path, "content": text} for path, text in files.items()]}).encode()
        key = hashlib.sha256(body).digest()
        async with self._turn:
            if key in self._passed:
                self._passed.move_to_end(key)
                return
            errors = await self._compiled(body)
            if not errors:
                self._passed[key] = None
            if len(self._passed) > _MOST_KEPT:
                self._passed.popitem(last=False)
        if errors:
            said = "\n".join(errors)
            raise BundleRefused(said, hint="what Cube serves stays as it is")

    async def _compiled(self, body: bytes) -> list[str]:
        process = await self._start()
        try:
            async with asyncio.timeout(self._seconds):
                answer, said = await _conversed(process, body)
        except TimeoutError as error:
            raise GateExceeded(
                f"Cube's compiler did not end within {self._seconds:g} s", hint="raise FLOE_SEMANTIC_GATE_SECONDS"
            ) from error
        finally:
            await _ended(process)
        if process.returncode == 0:
            with contextlib.suppress(ValueError, TypeError, KeyError):
                return [str(item) for item in json.loads(answer)["errors"]]
        if _OUT_OF_MEMORY in said:
            raise GateExceeded(f"Cube's compiler took more than {_MEMORY_MEGABYTES} MB of memory")
        _log.error("gate.broken", status=process.returncode, said=said[-_MOST_SAID:])
        raise GateBroken(
            f"Cube's compiler ended with status {process.returncode} and no answer", hint="the log has what it said"
        )

    async def _start(self) -> Process:
        limit = f"--max-old-space-size={_MEMORY_MEGABYTES}"
        try:
            return await asyncio.create_subprocess_exec(
                self._node,
                limit,
                "--require",
                str(_PARSE_ONCE),
                str(_SCRIPT),
                str(self._home),
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                # What Cube's packages read of an environment could change what they take.
                env={
                    "PATH": os.environ.get("PATH", ""),
                    "NODE_ENV": "production",
                    "FLOE_GATE_CUBE_HOME": str(self._home),
                },
                start_new_session=True,
            )
        except OSError as error:
            raise GateBroken(f"{self._node} cannot be started: {error.strerror or error}") from error


async def _conversed(process: Process, body: bytes) -> tuple[bytes, str]:
    assert process.stdin is not None  # noqa: S101 -- they are pipes
    assert process.stdout is not None  # noqa: S101
    assert process.stderr is not None  # noqa: S101
    stdin = process.stdin

    async def send() -> None:
        with contextlib.suppress(ConnectionError):  # its status says why it has gone
            stdin.write(body)
            await stdin.drain()
        stdin.close()

    _, answer, said = await asyncio.gather(send(), _taken(process.stdout), _taken(process.stderr))
    await process.wait()
    return answer, said.decode(errors="replace")


async def _taken(stream: asyncio.StreamReader) -> bytes:
    """The end of what a process says; all is read, so that it never waits."""
    kept = b""
    while chunk := await stream.read(65536):
        kept = (kept + chunk)[-_MOST_OUTPUT:]
    return kept


async def _ended(process: Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _found(node: str) -> str:
    path = shutil.which(node)
    if path is None:
        raise CompilerMissing(f"there is no program {node}", hint="set FLOE_SEMANTIC_NODE")
    try:
        done = subprocess.run(  # noqa: S603
            (path, "--version"), capture_output=True, text=True, timeout=_VERSION_SECONDS, check=True
        )
        major = int(done.stdout.strip().removeprefix("v").partition(".")[0])
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise CompilerMissing(f"{path} --version: {error}", hint="set FLOE_SEMANTIC_NODE") from error
    if major < OLDEST_NODE:
        raise CompilerMissing(f"{path} is Node {major}", hint=f"Cube's compiler needs Node {OLDEST_NODE} or newer")
    return path
