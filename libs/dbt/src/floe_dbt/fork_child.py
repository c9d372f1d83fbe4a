"""The forked child of the fork server: becomes, as far as anybody can tell, a dbt process of its asker."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

from dbt.cli.main import cli

from floe_dbt import node_columns, parse_program
from floe_dbt.asker import Request
from floe_dbt.child_isolation import end_with_parent, isolate
from floe_dbt.wire import Program

EXIT_NOT_STARTED: Final = 71
"""The child could not become what the asker wanted, for example because its folder is gone."""


def run_child(request: Request, descriptors: Sequence[int], *, server: int, kept: frozenset[int]) -> NoReturn:
    """Run dbt in this freshly forked process, and end it.

    The caller has blocked all signals; they are let through once nothing of the server is left in here.

    Args:
        request: what to run.
        descriptors: stdin, stdout and stderr of the asker, and the file with the environment.
        server: process id of the server, with which this process dies.
        kept: descriptors that dbt itself opened while it was warmed up; all others belong to the server.
    """
    code = EXIT_NOT_STARTED
    try:
        _leave_server(server)
        environment = _read_environment(descriptors[3])
        _take_descriptors(descriptors[:3], kept)
        request.limits.apply()
        _take_surroundings(request, environment)
        code = _run_dbt(request)
    except BaseException:  # noqa: BLE001 -- nothing may return into the server's loop
        with contextlib.suppress(OSError):
            os.write(2, f"floe-dbt: dbt could not be started\n{traceback.format_exc()}".encode())
    finally:
        os._exit(code)


def _leave_server(server: int) -> None:
    os.setsid()
    isolate()
    end_with_parent()
    if os.getppid() != server:  # it died before it could be watched
        raise ProcessLookupError("the fork server is gone")
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    # A server that was started in the background ignores SIGINT; dbt cancels its queries on KeyboardInterrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _take_descriptors(descriptors: Sequence[int], kept: frozenset[int]) -> None:
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
    for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208 -- names are all that is wanted
        descriptor = int(entry)
        if descriptor > 2 and descriptor not in kept:
            with contextlib.suppress(OSError):  # the listing's own descriptor
                os.close(descriptor)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]


def _read_environment(descriptor: int) -> dict[str, str]:
    with open(descriptor, "rb", closefd=False) as file:
        return {str(name): str(value) for name, value in json.load(file).items()}


def _take_surroundings(request: Request, environment: Mapping[str, str]) -> None:
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    tempfile.tempdir = None
    sys.argv = ["dbt", *request.arguments]


def _run_dbt(request: Request) -> int:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        if request.program is Program.PARSE:
            parse_program.parse(request.arguments)
        else:
            if node_columns.tells_columns(os.environ):
                node_columns.tell_columns()
            cli(args=list(request.arguments), prog_name="dbt")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 -- as dbt does: 2 is "not handled"
        traceback.print_exc()
        code = 2
    else:
        code = 0
    # dbt-duckdb closes its connection here. Without it the tables stay in the write-ahead log of the warehouse file.
    atexit._run_exitfuncs()  # noqa: SLF001 -- a whole interpreter shutdown costs 0.1 s more and adds nothing
    sys.stdout.flush()
    sys.stderr.flush()
    return code
