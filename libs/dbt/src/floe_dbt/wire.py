"""What the fork server and those who ask it say to each other over the Unix socket.

Request, once: four bytes of length (big endian), then that many bytes of JSON
`{"program", "arguments", "cwd", "environment"}`; the first of these bytes carry the three descriptors that become the
child's stdin, stdout and stderr. After it the asker may send single bytes: numbers of signals for the child. Closing
the connection kills the child.

Replies, one JSON object a line: `{"pid"}` when the child runs, then `{"returncode", "cpu_seconds", "max_rss_bytes"}`
when it has ended (a negative return code is the signal that killed it); or `{"refused"}` with the reason.

Standard library only, and as little of it as possible: the client pays for each import.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

READY: Final = b"ready\n"
"""What the server writes to its stdout, once, when it listens."""

HEADER: Final = struct.Struct("!I")
MAX_REQUEST_BYTES: Final = 4 << 20
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
) -> None:
    """Send one request with the descriptors of stdin, stdout and stderr.

    A server that closes the connection meanwhile has refused; the reason is in its replies.

    Raises:
        OSError: the server is not there, or does not read.
        ValueError: the request is larger than `MAX_REQUEST_BYTES`.
    """
    request = {"program": program, "arguments": list(arguments), "cwd": cwd, "environment": dict(environment)}
    body = json.dumps(request).encode()
    if len(body) > MAX_REQUEST_BYTES:
        raise ValueError(f"the command line and environment are {len(body)} bytes, {MAX_REQUEST_BYTES} are allowed")
    message = HEADER.pack(len(body)) + body
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        sent = socket.send_fds(connection, [message], list(descriptors))
        connection.sendall(message[sent:])


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
