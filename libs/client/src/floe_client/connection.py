"""The connection of a reader to the bus."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from nats.aio.client import Client
from nats.errors import Error as NatsError

from floe_client.consumers import Asking, Consumer, create, standing
from floe_client.errors import ConsumerGone, ConsumerUnsuitable, NotAllowed
from floe_client.events import LineageEvent, read_event
from floe_client.positions import Since, begin, set_back, starting
from floe_client.reading import Reading
from floe_contracts import subjects, subscribers
from floe_contracts.errors import Unreachable
from floe_contracts.openlineage.envelope import REPLAY_HEADER

_OWN_API: Final = "$JS.API"
_CONNECT_SECONDS: Final = 5.0
_CLOSE_SECONDS: Final = 2.0
_MOST_REFUSALS: Final = 100
_DURABLE: Final = re.compile(r"(?!lineage-|subscriber-)[A-Za-z0-9_-]{1,100}")
_TAKEN: Final = "letters, digits, - and _; `lineage-` and `subscriber-` begin names of floe's own"


@contextlib.asynccontextmanager
async def connect(
    url: str = "nats://127.0.0.1:4222",
    *,
    subscriber: str | None = None,
    seed_file: str | Path | None = None,
    ca_file: str | Path | None = None,
    wait: bool = False,
) -> AsyncIterator[Floe]:
    """Connect to the bus, and stay connected: a server that goes away is looked for until it is back.

    Args:
        url: `nats://host:port`, `tls://`, or `wss://` (needs aiohttp); several are separated by commas.
        subscriber: the name of an external subscriber; without, a reader inside of floe's own account: on a bus that
            asks nobody who he is, or as its operator. No service's identity may read so.
        seed_file: file with the nkey seed of this identity.
        ca_file: certificate authority of the servers.
        wait: wait for a bus that is not there yet, instead of failing.

    Raises:
        Unreachable: no server answers.
        NotAllowed: the server does not let this identity in.
        OSError: a file cannot be read.
    """
    floe = Floe(subscriber)
    await floe.open(_options(url, seed_file, ca_file), wait=wait)
    try:
        yield floe
    finally:
        await floe.close()


class Floe:
    """A connected reader. `connect` makes it.

    Args:
        subscriber: the name of an external subscriber, or None.
    """

    def __init__(self, subscriber: str | None) -> None:
        self._consumer_of_subscriber = None if subscriber is None else subscribers.consumer(subscriber)
        self._client = Client()
        # Of this connection; the bus refuses each event's acknowledgement by itself.
        self._refusals: deque[str] = deque(maxlen=_MOST_REFUSALS)
        # What goes wrong until it stands; later the bus is merely waited for.
        self._errors: asyncio.Queue[Exception] = asyncio.Queue()
        self._opening = True
        self._readings: list[Reading] = []
        self._closing = False

    async def open(self, options: dict[str, Any], *, wait: bool) -> None:
        """Connect. Raises what `connect` raises."""
        connecting = asyncio.create_task(
            self._client.connect(
                **options,
                name="floe-client",
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.5,
                ping_interval=20,
                error_cb=self._on_error,
                disconnected_cb=self._on_disconnect,
                reconnected_cb=self._on_reconnect,
                closed_cb=self._on_close,
            )
        )
        try:
            await self._connected(connecting, len(options["servers"]), wait=wait)
        except BaseException:
            self._closing = True
            connecting.cancel()
            with contextlib.suppress(NatsError, OSError, TimeoutError, asyncio.CancelledError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await asyncio.gather(self._client.close(), connecting)
            raise
        self._opening = False

    async def close(self) -> None:
        """Give back what no reader has finished, and close the connection."""
        self._closing = True
        for reading in self._readings:
            await reading.leave()
        with contextlib.suppress(NatsError, OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._client.close()

    async def lineage(
        self,
        durable: str | None = None,
        *,
        tenant: str | None = None,
        environment: str | None = None,
        product: str | None = None,
        since: Since = "beginning",
        limit: int | None = None,
    ) -> AsyncGenerator[LineageEvent, None]:
        """The events of the lineage stream, in their order, those that are stored and then those that come.

        An event is acknowledged when the next one is asked for. If the loop is left while it is worked on, by an error,
        by `break` or by a crash, it is handed out again, to whoever reads with the same durable next; newer ones may
        come before it then. Readers of one durable share its events.

        Args:
            durable: names the position of this reader, which outlasts it; a new one is made. An external subscriber has
                one already, and gives none.
            tenant: whose events; None is everybody's that this identity may read.
            environment: of which environment.
            product: of which product; of another producer, its name after a hyphen.
            since: where a durable begins that has read nothing yet; else it goes on where it was. A time has a zone.
                Leave it out after a `replay`: the bus does not tell a consumer that was set back from a new one.
            limit: end after so many events, with all of them acknowledged.

        Raises:
            ConsumerGone: the durable was deleted, or that of a subscriber was never made.
            ConsumerUnsuitable: the durable is there, and reads something else.
            NotAllowed: the bus refuses it to this identity.
            Unreachable: the bus does not answer at the start; later, it is waited for.
            ValueError: `durable` is missing or cannot be used, or `since` has no zone.
        """
        if isinstance(since, datetime) and since.tzinfo is None:
            raise ValueError("a time without a zone may be any time: give it one, as in datetime.now(UTC)")
        consumer = self._consumer(durable)
        wanted = subjects.lineage_of_place(tenant, environment, product)
        asking = Asking(self._client, self._refusals)
        if self._consumer_of_subscriber is None:
            await _made(asking, consumer, wanted, since)
        where = await standing(asking, consumer)
        _check_filter(where.filter, wanted, exact=self._consumer_of_subscriber is None)
        if self._consumer_of_subscriber is not None:
            await begin(self._client, asking, consumer, where, since)
        reading = Reading(self._client, asking, consumer, where)
        self._readings.append(reading)
        left = limit
        try:
            await reading.start()
            while left != 0:
                message = await reading.next(left)
                # Sent again to one consumer that had given it up: everybody else has had it.
                if REPLAY_HEADER not in (message.headers or {}) and _matches(message.subject, wanted):
                    yield read_event(message)
                    left = None if left is None else left - 1
                await reading.acknowledge(message)
        finally:
            await reading.leave()
            self._readings.remove(reading)

    async def replay(self, durable: str | None = None, *, since: Since) -> None:
        """Set a durable to another first event, whatever it has read: what comes from there on comes again.

        Do it while nobody reads with the durable, and again if it fails. The next `lineage` of an external subscriber
        leaves `since` out, or it begins there. Raises what `lineage` raises.
        """
        consumer = self._consumer(durable)
        asking = Asking(self._client, self._refusals)
        await set_back(self._client, asking, consumer, await standing(asking, consumer), since)

    def _consumer(self, durable: str | None) -> Consumer:
        if self._consumer_of_subscriber is not None:
            if durable is not None:
                raise ValueError("an external subscriber has one durable, and names none")
            hint = "the operator of the bus makes it: floe topology apply --subscriber"
            return Consumer(subscribers.API, self._consumer_of_subscriber, hint)
        if durable is None or not _DURABLE.fullmatch(durable):
            raise ValueError(f"a durable needs a name: {_TAKEN}")
        return Consumer(_OWN_API, durable, "without it nobody knows where this reader was: read again to make it anew")

    async def _connected(self, connecting: asyncio.Task[None], tries: int, *, wait: bool) -> None:
        """Wait for the connection; each server may fail once, or for ever if `wait` says so."""
        while True:
            failing = asyncio.create_task(self._errors.get())
            limit = None if wait else _CONNECT_SECONDS
            done, _ = await asyncio.wait({connecting, failing}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            failing.cancel()
            if connecting in done:
                await connecting
                return
            error = failing.result() if failing in done else TimeoutError("no answer")
            tries -= 1
            if "uthorization" in str(error):
                raise NotAllowed(f"the bus does not let this identity in: {error}", hint="check the url and the seed")
            if not wait and tries < 1:
                reason = error or type(error).__name__
                raise Unreachable(f"no bus answers: {reason}", hint="is it up, and the url right?") from error

    async def _on_error(self, error: Exception) -> None:
        if "permissions violation" in str(error).lower():
            self._refusals.append(str(error))
        if self._opening:
            self._errors.put_nowait(error)

    async def _on_disconnect(self) -> None:
        self._refusals.clear()

    async def _on_reconnect(self) -> None:
        for reading in self._readings:
            reading.reconnected()

    async def _on_close(self) -> None:
        if not self._closing:
            for reading in self._readings:
                reading.end(NotAllowed("the bus has closed the connection for good", hint="is the key still known?"))


def _options(url: str, seed_file: str | Path | None, ca_file: str | Path | None) -> dict[str, Any]:
    options: dict[str, Any] = {"servers": [part.strip() for part in url.split(",")]}
    if seed_file is not None:
        Path(seed_file).read_bytes()  # the client of the bus would say that it cannot only when it connects
        options["nkeys_seed"] = str(seed_file)
    if ca_file is not None:
        options["tls"] = ssl.create_default_context(cafile=str(ca_file))
    return options


async def _made(asking: Asking, consumer: Consumer, wanted: str, since: Since) -> None:
    try:
        await standing(asking, consumer)
    except ConsumerGone:
        await create(asking, consumer, wanted, starting(since))


def _check_filter(found: str, wanted: str, *, exact: bool) -> None:
    agree = all(
        one == other or "*" in (one, other)
        for one, other in zip(found.removesuffix(".>").split("."), wanted.removesuffix(".>").split("."), strict=False)
    )
    if found != wanted if exact else not agree:
        raise ConsumerUnsuitable(f"the consumer reads {found}, not {wanted}", hint="name another durable or place")


def _matches(subject: str, pattern: str) -> bool:
    wanted = pattern.removesuffix(".>").split(".")
    tokens = subject.split(".")
    return len(tokens) > len(wanted) and all(want in ("*", got) for want, got in zip(wanted, tokens, strict=False))
