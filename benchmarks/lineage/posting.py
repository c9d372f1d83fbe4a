"""Posts lineage as fast as it is taken, in a process of its own, and says how long that took.

    python posting.py URL EVENTS FIRST BATCH plain|gzip CONNECTIONS

Requests are made before the clock starts, so that little is measured of this side; each connection sends its next one
when it has its answer. A BATCH of 1 posts single events. FIRST is the number of the first run.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

import uvloop
from lineage_events import body_of, run_events


def requests(netloc: str, bodies: list[bytes], batch: int, *, packed: bool) -> Iterator[bytes]:
    """The requests, ready to be sent."""
    for start in range(0, len(bodies), batch):
        part = bodies[start : start + batch]
        path, body = ("", part[0]) if batch == 1 else ("/batch", b"[" + b",".join(part) + b"]")
        encoding = ""
        if packed:
            encoding, body = "Content-Encoding: gzip\r\n", gzip.compress(body, 3)
        head = f"POST /api/v1/lineage{path} HTTP/1.1\r\nHost: {netloc}\r\nContent-Type: application/json\r\n{encoding}"
        yield f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def send(host: str, port: int, waiting: Iterator[bytes], statuses: Counter[int]) -> None:
    """Send what waits over one connection, request after request."""
    reader, writer = await asyncio.open_connection(host, port)
    for request in waiting:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lengths = [line for line in head.lower().splitlines() if line.startswith("content-length:")]
        await reader.readexactly(int(lengths[0].split(":")[1]) if lengths else 0)
        statuses[int(head.split(" ", 2)[1])] += 1
    writer.close()


async def main() -> None:
    """Send everything, and print the seconds and the statuses of the answers."""
    url, events, first, batch, encoding, connections = sys.argv[1:]
    place = urlsplit(url)
    bodies = [body_of(event) for event in run_events(int(events), first=int(first))]
    prepared = iter(list(requests(place.netloc, bodies, int(batch), packed=encoding == "gzip")))
    statuses: Counter[int] = Counter()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    started = time.monotonic()
    senders = [send(place.hostname, place.port, prepared, statuses) for _ in range(int(connections))]
    await asyncio.gather(*senders)
    print(json.dumps({"wall": time.monotonic() - started, "statuses": statuses}), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
