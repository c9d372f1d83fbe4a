"""The forked child of the fork server: becomes, as far as anybody can tell, a dbt process of its asker."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from typing import Final, NoReturn

from dbt.cli.main import cli

from floe_dbt import parse_program
from floe_dbt.asker import Request
from floe_dbt.wire import Program

EXIT_NOT_STARTED: Final = 71
"""The child could not become what the asker wanted, for example because its folder is gone."""

_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def run_child(request: Request, descriptors: Sequence[int], *, server: int, kept: frozenset[int]) -> NoReturn:
    """Run dbt in this freshly forked process, and end it.

    The caller has blocked all signals; they are let through once nothing of the server is left in here.

    Args:
        request: what to run.
        descriptors: stdin, stdout and stderr of the asker.
        server: process id of the server, with which this process dies.
        kept: descriptors that dbt itself opened while it was warmed up; all others belong to the server.
    """
    code = EXIT_NOT_STARTED
    try:
        _leave_server(server)
        _take_descriptors(descriptors, kept)
        _take_surroundings(request)
        code = _run_dbt(request)
    except BaseException:  # noqa: BLE001 -- nothing may return into the server's loop
        with contextlib.suppress(OSError):
            os.write(2, f"floe-dbt: dbt could not be started\n{traceback.format_exc()}".encode())
    finally:
        os._exit(code)


def _leave_server(server: int) -> None:
    with contextlib.suppress(PermissionError):  # the server has done it already
        os.setpgid(0, 0)
    if _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
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


def _take_surroundings(request: Request) -> None:
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(request.environment)
    time.tzset()
    tempfile.tempdir = None
    sys.argv = ["dbt", *request.arguments]


def _run_dbt(request: Request) -> int:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        if request.program is Program.PARSE:
            parse_program.parse(request.arguments)
        else:
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
