"""The program `floe`: a command, and an end that leaves nothing to the taking apart of the interpreter."""

from __future__ import annotations

import atexit
import os
import sys

from floe_cli.main import run_command


def program() -> None:
    """Run the command that the process was started for, and exit with its code."""
    ended: list[int] = []
    # What is registered first is called last: after the threads are joined, and all that others have registered.
    atexit.register(_leave, ended)
    ended.append(run_command())
    sys.exit(ended[0])


def _leave(ended: list[int]) -> None:
    """End the process before Python takes the interpreter apart.

    A thread of the blob store's native library that asks for Python's lock while that happens is unwound by CPython
    before 3.14 (gh-87135), which Rust answers with abort(): a command that had done its work ended with SIGABRT.
    """
    if not ended:
        return
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # Python tells of it when it tries again
        return
    os._exit(ended[0])
