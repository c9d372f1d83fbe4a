"""`floe-dbt`: looks like dbt, and has the fork server run it.

Exit codes: dbt's own (0, 1, 2); 128 + n when signal n killed the dbt process; 3 when the server broke off without an
answer; 64 without a socket to ask; 69 when the server is unreachable; 71 when the child could not be set up (its folder
may be gone); 75 when the server refuses.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from types import FrameType
from typing import Any, Final

from floe_dbt import environment, wire
from floe_dbt.child_limits import ChildLimits, limits_from

EXIT_NO_ANSWER: Final = 3
EXIT_NO_SOCKET: Final = 64
EXIT_UNREACHABLE: Final = 69
EXIT_REFUSED: Final = 75
FORWARDED_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_SEND_SECONDS: Final = 10.0


def main() -> int:
    """Run dbt with the arguments, folder, environment and standard streams of this process."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:  # dagster-dbt asks before every run
        return _print_version()
    if os.environ.get(environment.PLAIN):
        executable = plain_dbt()
        if sys.platform == "linux":
            _isolate()
        _limits().apply()
        os.execve(executable, [executable, *arguments], environment.client_environment(os.environ))  # noqa: S606
    if any(name.startswith(environment.SECRET_PREFIX) for name in os.environ):
        _conceal()
    path = os.environ.get(environment.SOCKET)
    if not path:
        return _complain(EXIT_NO_SOCKET, f"{environment.SOCKET} is not set: start this through floe")
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED_SIGNALS)  # until there is a child to forward them to
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.settimeout(_SEND_SECONDS)
            connection.connect(path)
            wire.send_request(
                connection,
                arguments,
                cwd=os.getcwd(),  # noqa: PTH109 -- importing pathlib costs more than the rest of the client
                environment=environment.client_environment(os.environ),
                descriptors=(0, 1, 2),
                limits=_limits().variables(),
            )
        except OSError as error:
            return _complain(EXIT_UNREACHABLE, f"no dbt fork server at {path}: {error}")
        except ValueError as error:
            return _complain(EXIT_REFUSED, str(error))
        connection.settimeout(None)
        _forward_signals(connection)
        return _follow(connection)


def plain_dbt() -> str:
    """The dbt program that was installed beside this interpreter."""
    return os.path.join(os.path.dirname(sys.executable), "dbt")  # noqa: PTH118, PTH120 -- see above


def _limits() -> ChildLimits:
    return limits_from(os.environ)


def _isolate() -> None:
    from floe_dbt.child_isolation import isolate  # what it imports is not wanted in every start

    isolate()


def _conceal() -> None:
    """Keep the secrets that this process was started with from other processes of its user."""
    from floe_dbt.child_isolation import conceal

    conceal()


def _forward_signals(connection: socket.socket) -> None:
    def forward(number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(OSError):  # the server is gone: reading the replies tells it
            connection.send(bytes([number]))

    for number in FORWARDED_SIGNALS:
        signal.signal(number, forward)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED_SIGNALS)


def _follow(connection: socket.socket) -> int:
    with contextlib.suppress(OSError):
        for reply in wire.read_replies(connection):
            if "refused" in reply:
                return _complain(EXIT_REFUSED, reply["refused"])
            if "returncode" in reply:
                return _exit_code(reply)
    return _complain(EXIT_NO_ANSWER, "the fork server broke off; how dbt ended is not known")


def _exit_code(reply: dict[str, Any]) -> int:
    returncode = int(reply["returncode"])
    if returncode >= 0:
        return returncode
    return _complain(128 - returncode, f"dbt was killed by {signal.Signals(-returncode).name}")


def _print_version() -> int:
    from importlib.metadata import version

    sys.stdout.write(f"Core:\n  - installed: {version('dbt-core')}\n")
    return 0


def _complain(code: int, message: str) -> int:
    sys.stderr.write(f"floe-dbt: {message}\n")
    return code
