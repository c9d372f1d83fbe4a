"""A receiver of lineage that costs little, in a process of its own: it reads requests, counts events, and says yes.

Kept free of any framework, so that it is never what limits the contenders. It counts the field `eventType`, which every
event of these benchmarks has once, and tells the times of the first and the last request.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from plain_http import ask

_TAKEN = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
_EVENT = b'"eventType"'


@dataclass(frozen=True, slots=True)
class Received:
    """What came since the receiver was last asked to forget; times of `time.monotonic`."""

    requests: int
    events: int
    first: float
    last: float


class Receiver:
    """The process."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def received(self) -> Received:
        """What came so far."""
        return Received(**json.loads(ask(self.url)[1]))

    def forget(self) -> None:
        """Count from nothing."""
        ask(self.url, "DELETE")

    def wait_for(self, events: int, timeout: float) -> Received:
        """What came, once it is so many events.

        Raises:
            TimeoutError: they do not come.
        """
        deadline = time.monotonic() + timeout
        while (received := self.received()).events < events:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{received} instead of {events} events")
            time.sleep(0.1)
        return received


class _Counts:
    def __init__(self) -> None:
        self.requests = self.events = 0
        self.first = self.last = 0.0


class _Connection(asyncio.Protocol):
    """One connection, kept open. It takes bodies with a length, one request after the other."""

    def __init__(self, counts: _Counts) -> None:
        self._counts = counts
        self._received = bytearray()
        self._needed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) > self._needed:
            head = self._received.find(b"\r\n\r\n")
            if head < 0:
                return
            end = head + 4 + _length(bytes(self._received[:head]))
            if len(self._received) < end:
                self._needed = end - 1
                return
            self._answer(bytes(self._received[:end]))
            del self._received[:end]
            self._needed = 0

    def _answer(self, request: bytes) -> None:
        counts = self._counts
        if request.startswith(b"POST"):
            counts.last = time.monotonic()
            counts.first = counts.first or counts.last
            counts.requests += 1
            counts.events += request.count(_EVENT)
            self._transport.write(_TAKEN)
            return
        if request.startswith(b"DELETE"):
            counts.__init__()
        document = json.dumps(vars(counts)).encode()
        head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(document)}\r\n\r\n"
        self._transport.write(head.encode() + document)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def _serve() -> None:
    counts = _Counts()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(counts), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve())
