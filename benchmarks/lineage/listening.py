"""Listens to the lineage stream with many subscribers in one process, and says when each event came.

    python listening.py events|jetstream ADDRESS SUBSCRIBERS NAME FIRST SECOND

`events` reads server-sent events of the gateway, `jetstream` durable pull consumers NAME-<number> on the bus.
Says `ready` when all of them listen; after FIRST events each, the time of the last one; after SECOND more, the times of
those as JSON, a list for each subscriber. Times are of `time.monotonic`, which is one for all processes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from urllib.parse import urlsplit

import nats
import uvloop
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

STREAM = "FLOE_LINEAGE"
_EVENT = b"event: lineage\n"
_AT_ONCE = 64


class Subscriber:
    """How many events one subscriber has, and when those of the second part came."""

    def __init__(self, first: int, second: int) -> None:
        self._first = first
        self._left = first
        self._second = second
        self.last = 0.0
        self.times: list[float] = []
        self.has_first = asyncio.Event()

    @property
    def done(self) -> bool:
        """Whether everything has come."""
        return len(self.times) >= self._second

    def came(self, count: int) -> None:
        """So many events have come now."""
        now = time.monotonic()
        if self._left > 0:
            self._left -= count
            if self._left <= 0:
                self.last = now
                self.has_first.set()
            return
        self.times += [now] * count


async def server_sent_events(address: str, subscriber: Subscriber, ready: asyncio.Event) -> None:
    """Read the gateway's stream, live."""
    place = urlsplit(address)
    reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=1 << 20)
    writer.write(f"GET /v1/lineage/events HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    ready.set()
    before = b""
    while not subscriber.done:
        read = before + await reader.read(1 << 18)
        if read == before:
            raise RuntimeError("the gateway ended the stream")
        if count := read.count(_EVENT):
            subscriber.came(count)
        # What was counted must not be counted again; a mark may be cut in two.
        before = read[max(read.rfind(_EVENT) + len(_EVENT), len(read) - len(_EVENT) + 1) :]
    writer.close()


async def jetstream(address: str, name: str, subscriber: Subscriber, ready: asyncio.Event) -> None:
    """Read a durable pull consumer over a connection of one's own, and acknowledge each event."""
    connection = await nats.connect(address)
    js = connection.jetstream()
    config = ConsumerConfig(
        durable_name=name, ack_policy=AckPolicy.EXPLICIT, deliver_policy=DeliverPolicy.NEW, max_ack_pending=_AT_ONCE
    )
    await js.add_consumer(STREAM, config)
    subscription = await js.pull_subscribe_bind(name, STREAM)
    ready.set()
    while not subscriber.done:
        try:
            messages = await subscription.fetch(_AT_ONCE, timeout=5)
        except TimeoutError:
            continue
        subscriber.came(len(messages))
        for message in messages:
            await message.ack()
    await connection.close()


async def main() -> None:
    """Listen until everything has come."""
    kind, address, count, name, first, second = sys.argv[1:]
    subscribers = [Subscriber(int(first), int(second)) for _ in range(int(count))]
    readies = [asyncio.Event() for _ in subscribers]
    reading = [
        asyncio.create_task(
            server_sent_events(address, subscriber, ready)
            if kind == "events"
            else jetstream(address, f"{name}-{number}", subscriber, ready)
        )
        for number, (subscriber, ready) in enumerate(zip(subscribers, readies, strict=True))
    ]
    everything = asyncio.gather(*reading)
    for ready in readies:
        await asyncio.wait({asyncio.ensure_future(ready.wait()), everything}, return_when=asyncio.FIRST_COMPLETED)
    if everything.done():
        await everything
    print("ready", flush=True)
    for subscriber in subscribers:
        await subscriber.has_first.wait()
    print(max(subscriber.last for subscriber in subscribers), flush=True)
    await everything
    print(json.dumps([subscriber.times for subscriber in subscribers]), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
