"""What the fork server and those who ask it say to each other over the Unix socket.

Request, once: four bytes of length (big endian), then that many bytes of JSON
`{"program", "arguments", "cwd", "limits"}`; the first of these bytes carry four descriptors. Three become the child's
stdin, stdout and stderr; the fourth is a file in memory with the child's environment as a JSON object, which holds
secrets: the child alone reads it, so nothing of it is in the server, and in the memory that other children inherit.
After the request the asker may send single bytes: numbers of signals for the child. Closing the connection kills the
child.

Replies, one JSON object a line: `{"pid"}` when the child runs, then `{"returncode", "cpu_seconds", "max_rss_bytes"}`
when it has ended (a negative return code is the signal that killed it); or `{"refused"}` with the reason.

Standard library only, and as little of it as possible: the client pays for each import.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

READY: Final = b"ready\n"
"""What the server writes to its stdout, once, when it listens."""

HEADER: Final = struct.Struct("!I")
MAX_REQUEST_BYTES: Final = 4 << 20
DESCRIPTORS: Final = 4
"""How many come with a request."""
NO_LIMITS: Final[Mapping[str, str]] = {}
MAX_SOCKET_PATH_BYTES: Final = 100
"""A little under the 108 bytes of Linux and the 104 of macOS."""


class Program(StrEnum):
    """What a child runs."""

    DBT = "dbt"
    """dbt's command line."""
    PARSE = "parse"
    """`floe_dbt.parse_program`."""


def send_request(
    connection: socket.socket,
    arguments: Sequence[str],
    *,
    cwd: str,
    environment: Mapping[str, str],
    descriptors: tuple[int, int, int],
    program: Program = Program.DBT,
    limits: Mapping[str, str] = NO_LIMITS,
) -> None:
    """Send one request with the descriptors of stdin, stdout and stderr; `limits` as `ChildLimits.variables` has them.

    A server that closes the connection meanwhile has refused; the reason is in its replies.

    Raises:
        OSError: the server is not there, or does not read.
        ValueError: the request is larger than `MAX_REQUEST_BYTES`.
    """
    request = {"program": program, "arguments": list(arguments), "cwd": cwd, "limits": dict(limits)}
    body, surroundings = json.dumps(request).encode(), json.dumps(dict(environment)).encode()
    size = len(body) + len(surroundings)
    if size > MAX_REQUEST_BYTES:
        raise ValueError(f"the command line and environment are {size} bytes, {MAX_REQUEST_BYTES} are allowed")
    message = HEADER.pack(len(body)) + body
    held = _in_memory(surroundings)
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sent = socket.send_fds(connection, [message], [*descriptors, held])
            connection.sendall(message[sent:])
    finally:
        os.close(held)


def read_replies(connection: socket.socket) -> Iterator[dict[str, Any]]:
    """The replies of the server, until it closes the connection.

    Raises:
        TimeoutError: the connection has a timeout, and it passed.
        OSError: the connection broke.
    """
    buffer = b""
    while data := connection.recv(65536):
        *lines, buffer = (buffer + data).split(b"\n")
        for line in lines:
            yield json.loads(line)


def _in_memory(content: bytes) -> int:
    """A descriptor from which `content` can be read, once, from its beginning."""
    descriptor = os.memfd_create("environment", os.MFD_CLOEXEC)
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
