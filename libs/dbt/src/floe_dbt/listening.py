"""The socket that the fork server listens at, and who may not ask there."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path
from typing import Final

from floe_dbt.child_isolation import descends_from

_PEER: Final = struct.Struct("3i")
"""Process, user and group of who connected."""


def listen(path: Path) -> socket.socket:
    """A listening socket at `path` that only this user can open; replaces what an earlier server left there."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(os.fspath(path))
    finally:
        os.umask(before)
    listener.listen(128)
    listener.setblocking(False)
    return listener


def is_from_below(connection: socket.socket) -> bool:
    """Whether the other end was started by a child of this process, or by one of its; also when nobody can tell."""
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    try:
        return descends_from(_PEER.unpack(packed)[0], os.getpid())
    except OSError:  # it has ended, and does not wait for an answer
        return True
