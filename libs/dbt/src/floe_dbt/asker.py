"""One connection to the fork server, from its first byte to the end of the child that it asked for."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from floe_dbt import wire
from floe_dbt.child_limits import ChildLimits, limits_from

_UNREADABLE: Final = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


class RequestRefused(Exception):
    """A request that the server does not take; the text is the reason."""


@dataclass(frozen=True, slots=True)
class Request:
    """One invocation of dbt: its command line without the program, its folder and its limits."""

    program: wire.Program
    arguments: Sequence[str]
    cwd: str
    limits: ChildLimits


@dataclass(slots=True, eq=False)
class Asker:
    """Who sits at the other end, and how far the server is with them.

    Attributes:
        connection: does not block.
        deadline: of the request while it arrives, and of the child once it has been cancelled; monotonic seconds.
        descriptors: stdin, stdout, stderr and the file with the environment, until the child has them.
        request: what was asked, once it is whole.
        pid: the child, while it runs.
    """

    connection: socket.socket
    deadline: float | None
    descriptors: list[int] = field(default_factory=list)
    request: Request | None = None
    pid: int | None = None
    _received: bytearray = field(default_factory=bytearray)

    def receive(self) -> bytes | None:
        """Read what has come, and complete `request` with it; the bytes after it are numbers of signals.

        Returns:
            The signals, often none; None when the asker is gone.

        Raises:
            RequestRefused: what came can be no request.
        """
        try:
            data = self._read()
        except BlockingIOError:
            return b""
        except OSError:
            return None
        if not data:
            return None
        if self.request is not None:
            return data
        self._received += data
        return self._complete()

    def reply(self, **fields: Any) -> None:
        """Send one reply."""
        with contextlib.suppress(OSError):  # an asker that is gone is noticed when it is read from
            self.connection.send(json.dumps(fields).encode() + b"\n")

    def close_descriptors(self) -> None:
        """Close this process's copies of what the asker sent along."""
        while self.descriptors:
            os.close(self.descriptors.pop())

    def _read(self) -> bytes:
        if self.request is not None:
            return self.connection.recv(4096)
        flags = socket.MSG_CMSG_CLOEXEC
        data, descriptors, _flags, _address = socket.recv_fds(self.connection, 1 << 16, wire.DESCRIPTORS, flags)
        self.descriptors += descriptors
        return data

    def _complete(self) -> bytes:
        received = self._received
        if len(received) < wire.HEADER.size:
            return b""
        (length,) = wire.HEADER.unpack_from(received)
        if length > wire.MAX_REQUEST_BYTES:
            raise RequestRefused(f"a request may have {wire.MAX_REQUEST_BYTES} bytes, this one has {length}")
        end = wire.HEADER.size + length
        if len(received) < end:
            return b""
        came = len(self.descriptors)
        if came != wire.DESCRIPTORS:
            raise RequestRefused(f"a request comes with {wire.DESCRIPTORS} descriptors, this one with {came}")
        try:
            self.request = _decode(bytes(received[wire.HEADER.size : end]))
        except _UNREADABLE as error:
            raise RequestRefused(f"the request cannot be read: {error}") from None
        self.deadline = None
        signals = bytes(received[end:])
        received.clear()
        return signals


def _decode(body: bytes) -> Request:
    document = json.loads(body)
    arguments, cwd, limits = document["arguments"], document["cwd"], limits_from(document["limits"])
    if not isinstance(cwd, str) or not all(isinstance(argument, str) for argument in arguments):
        raise TypeError("arguments and cwd are text")
    program = wire.Program(document["program"])
    return Request(program, tuple(arguments), cwd, limits)
