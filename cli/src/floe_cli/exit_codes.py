"""The exit codes of `floe` (DESIGN section 8)."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the exit code of a command says."""

    OK = 0
    INVALID_DOCUMENT = 1
    COMPILATION_FAILED = 2
    RUN_FAILED = 3
    UNREACHABLE = 4
    UNSUPPORTED = 5
    WRONG_USAGE = 64
    UNEXPECTED = 70
    INTERRUPTED = 130
