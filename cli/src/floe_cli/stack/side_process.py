"""A process beside the stack, which ends with it, however that ends."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
_STOP_SECONDS: Final = 10.0
# The pipe closes when the stack ends, however it does: then all processes of the group end, the grandchildren too.
_LAUNCHER: Final = """
import os, signal, subprocess, sys, threading

def end_with_the_owner():
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)

threading.Thread(target=end_with_the_owner, daemon=True).start()
code = subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL)
os._exit(code if code >= 0 else 128 - code)
"""


@asynccontextmanager
async def side_process(
    command: Sequence[str], *, folder: Path, environment: Mapping[str, str], log: Path
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Run a program in a group of its own as long as the context lasts; what it says goes to `log`.

    The exit code of the process is the program's; 128 and the number of the signal where one ended it.
    """
    process = await asyncio.to_thread(_launch, command, folder, environment, log)
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await asyncio.to_thread(process.wait, _STOP_SECONDS)


def last_line(log: Path) -> str:
    """The last thing that a program said."""
    said = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return said[-1] if said else "nothing"


def free_port() -> int:
    """A port of this machine that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _launch(command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 -- our own launcher, and the program that the caller names
            [sys.executable, "-I", "-S", "-c", _LAUNCHER, *command],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
