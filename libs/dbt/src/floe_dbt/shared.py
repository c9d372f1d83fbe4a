"""One fork server for all services of a process that name the same folder."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

from floe_dbt.warm_dbt import WarmDbt

_lock: Final = threading.Lock()
_servers: Final[dict[Path, tuple[WarmDbt, int]]] = {}


def acquire(folder: Path) -> WarmDbt:
    """The started fork server of `folder`; give it back with `release`."""
    key = folder.resolve()
    with _lock:
        server, users = _servers.get(key) or (WarmDbt(key), 0)
        server.start()
        _servers[key] = (server, users + 1)
        return server


def release(folder: Path) -> None:
    """Give the server of `folder` back; the last one stops it."""
    key = folder.resolve()
    with _lock:
        server, users = _servers.pop(key)
        if users > 1:
            _servers[key] = (server, users - 1)
            return
    server.stop()
