"""The process that reads SQL: statements come in at its standard input, results go out, until the input ends.

    python -m floe_lineage.adapters.column_child CPU_SECONDS

A statement that takes more seconds of CPU ends the process, by SIGPROF.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from contextlib import suppress
from typing import BinaryIO, Final

from floe_lineage.adapters.column_frames import LENGTH_BYTES, framed, statement_of
from floe_lineage.core.columns.extraction import extract

_MEMORY_BYTES: Final = 2 << 30
_NICE: Final = 5
"""Forwarding goes before."""


def main() -> None:
    """Read statements until nobody sends any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(ValueError, OSError):  # where the system knows no such limit
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    os.nice(_NICE)
    most = float(sys.argv[1])
    while (body := _next(sys.stdin.buffer)) is not None:
        signal.setitimer(signal.ITIMER_PROF, most)
        answer = framed(extract(statement_of(body)))
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()


def _next(source: BinaryIO) -> bytes | None:
    length = source.read(LENGTH_BYTES)
    return source.read(int.from_bytes(length, "big")) if len(length) == LENGTH_BYTES else None


if __name__ == "__main__":
    main()
