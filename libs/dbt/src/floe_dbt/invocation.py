"""One run of dbt that its caller waits for: through a fork server, or as a plain process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from floe_dbt import wire
from floe_dbt.child_limits import ChildLimits
from floe_dbt.client import plain_dbt
from floe_dbt.errors import DbtBusy, DbtTimedOut, DbtUnavailable


@dataclass(frozen=True, slots=True)
class Invocation:
    """How one run of dbt ended.

    Attributes:
        returncode: dbt's own (0 success, 1 handled error, 2 anything else), or minus the signal that killed it.
        cpu_seconds: user and system time of the process; None when it was a plain one.
        max_rss_bytes: its largest resident set; None when it was a plain one.
        seconds: wall time, with any waiting for a free place.
    """

    returncode: int
    cpu_seconds: float | None
    max_rss_bytes: int | None
    seconds: float


def invoke_forked(
    path: Path,
    arguments: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    output: BinaryIO,
    timeout: float | None,
    program: wire.Program,
    limits: ChildLimits,
) -> Invocation:
    """Run dbt in a child of the fork server at `path`; stdout and stderr go to `output`.

    Raises:
        DbtUnavailable: there is no server, or it broke off.
        DbtBusy: the server refused.
        DbtTimedOut: `timeout` seconds passed; the child is killed.
    """
    started = time.monotonic()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        try:
            with Path(os.devnull).open("rb") as nothing:
                connection.connect(os.fspath(path))
                descriptors = (nothing.fileno(), output.fileno(), output.fileno())
                wire.send_request(
                    connection,
                    arguments,
                    cwd=os.fspath(cwd),
                    environment=environment,
                    descriptors=descriptors,
                    program=program,
                    limits=limits.variables(),
                )
            reply = _last_reply(connection, started, timeout)
        except TimeoutError:
            raise DbtTimedOut(f"dbt took more than {timeout:g} s") from None
        except OSError as error:
            raise DbtUnavailable(f"the dbt fork server does not answer: {error}") from None
    if "refused" in reply:
        raise DbtBusy(f"the dbt fork server refused: {reply['refused']}")
    if "returncode" not in reply:
        raise DbtUnavailable("the dbt fork server broke off while dbt was running")
    seconds = time.monotonic() - started
    return Invocation(reply["returncode"], reply["cpu_seconds"], reply["max_rss_bytes"], seconds)


def invoke_plain(
    arguments: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    output: BinaryIO,
    timeout: float | None,
    program: wire.Program,
) -> Invocation:
    """Run dbt in a process of its own; stdout and stderr go to `output`.

    Raises:
        DbtTimedOut: `timeout` seconds passed; the process and what it started are killed.
    """
    started = time.monotonic()
    process = subprocess.Popen(  # noqa: S603 -- our own dbt, arguments as a list
        [*_command(program), *arguments],
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise DbtTimedOut(f"dbt took more than {timeout:g} s") from None
    return Invocation(process.returncode, None, None, time.monotonic() - started)


def _command(program: wire.Program) -> list[str]:
    if program is wire.Program.PARSE:
        return [sys.executable, "-P", "-m", "floe_dbt.parse_program"]
    return [plain_dbt()]


def _last_reply(connection: socket.socket, started: float, timeout: float | None) -> dict[str, Any]:
    last: dict[str, Any] = {}
    for last in wire.read_replies(connection):  # noqa: B007 -- the last one is wanted
        if timeout is not None:  # the socket's timeout is for each receive, ours for the whole
            connection.settimeout(max(0.001, timeout - (time.monotonic() - started)))
    return last
