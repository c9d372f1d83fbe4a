"""A lineage service as a process of its own, made to be killed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .processes import FLOE


@contextmanager
def forwarder(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A lineage service as a process of its own; whatever becomes of it, it is gone at the end."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FLOE_")}
    with log.open("ab") as output:
        process = subprocess.Popen(
            [FLOE, "serve", "lineage"],
            env=inherited | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
