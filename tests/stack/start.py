"""Starts what this machine can start of the servers, says where they listen, and stops them at Ctrl-C: `make stack`."""

from __future__ import annotations

import logging
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from typing import Final

from java_tools import ToolMissing
from servers import BUCKET, REGION, CatalogServer, S3Store, iceberg_rest, nessie, s3_store

Start = Callable[[S3Store, Path, int], AbstractContextManager[CatalogServer]]
_STORE_PORT: Final = 9090
_SERVERS: Final[dict[str, tuple[Start, int]]] = {"Nessie": (nessie, 19120), "Iceberg REST": (iceberg_rest, 8181)}


def run() -> int:
    """Returns the exit code: 4 (something needed is unreachable) if no server could be started."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # the store would tell of each request
    with suppress(KeyboardInterrupt), ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="floe-stack-")))
        store = stack.enter_context(s3_store(_STORE_PORT))
        _say(f"{'S3':13} {store.endpoint}  bucket {BUCKET}, region {REGION}, path style")
        _say(f"{'':13} keys {store.access_key}:{store.secret_key}")
        if not [name for name in _SERVERS if _started(name, store, folder, stack)]:
            return 4
        _say("ready; Ctrl-C stops them, and nothing is kept")
        signal.pause()
    return 0


def _started(name: str, store: S3Store, folder: Path, stack: ExitStack) -> bool:
    start, port = _SERVERS[name]
    try:
        server = stack.enter_context(start(store, folder, port))
    except (ToolMissing, AssertionError) as reason:
        _say(f"{name:13} not started: {reason}")
        return False
    _say(f"{name:13} {server.uri}  warehouse {server.warehouse}")
    return True


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(run())
