"""One connection of one service to the bus, and how it publishes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from nats.aio.client import Client
from nats.errors import ConnectionClosedError, MaxPayloadError
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import PubAck
from nats.js.errors import BadRequestError, BucketNotFoundError
from nats.js.kv import KeyValue

from floe_chassis.bus_address import identity, readable_address, servers
from floe_chassis.bus_telemetry import BusTelemetry, current_traceparent
from floe_chassis.errors import (
    BusClosed,
    BusForbidden,
    MessageTooLarge,
    PublishRefused,
    TopologyMissing,
)
from floe_chassis.settings import ChassisSettings
from floe_contracts.cloudevents import MESSAGE_ID, Attributes, encode
from floe_contracts.errors import Unreachable
from floe_contracts.events import Event
from floe_contracts.subjects import escape

_ATTEMPT: Final = 2.0
_RECONNECT_WAIT: Final = 0.5
_CONNECT_TIMEOUT: Final = 3
_FIRST_BACKOFF: Final = 0.1
_LAST_BACKOFF: Final = 2.0
_HEADER_ROOM: Final = 64

_log = structlog.get_logger("floe.bus")


class Bus:
    """One NATS connection of one service. It reconnects for ever and never drains.

    Args:
        name: of the service; the inbox prefix is `_INBOX_<name>`.
        settings: where the bus is.
        telemetry: spans and metrics; by default those of the global providers.

    Attributes:
        lost: set when the server ended the connection for good, so that reconnecting stopped.
        forbidden: what the server refused since the last (re)connect; readiness fails while there is something.
    """

    def __init__(self, name: str, settings: ChassisSettings, telemetry: BusTelemetry | None = None) -> None:
        self.name = name
        self.settings = settings
        self.telemetry = telemetry or BusTelemetry(name)
        self.inbox_prefix = f"_INBOX_{escape(name)}"
        self.lost = asyncio.Event()
        self.forbidden: list[str] = []
        self._client: Client | None = None
        self._js: JetStreamContext | None = None
        self._closing = False
        self._up = asyncio.Event()
        self._complaint: str | None = None
        self._first_errors: asyncio.Queue[Exception] = asyncio.Queue()
        self._buckets: dict[str, KeyValue] = {}

    @property
    def nc(self) -> Client:
        """The client of nats-py."""
        if self._client is None:
            raise BusClosed("the bus is not connected", hint="await bus.connect() first")
        return self._client

    @property
    def js(self) -> JetStreamContext:
        """The JetStream context of nats-py."""
        if self._js is None:
            raise BusClosed("the bus is not connected", hint="await bus.connect() first")
        return self._js

    @property
    def connected(self) -> bool:
        """Whether the server is there at the moment."""
        return self._client is not None and self._client.is_connected

    @property
    def address(self) -> str:
        """Where the bus is, without user and password, for people to read."""
        return readable_address(self.settings)

    async def connect(self, *, wait: bool = True) -> None:
        """Connect to the bus.

        Args:
            wait: wait quietly until the server is there; otherwise fail after one try of each server.

        Raises:
            Unreachable: no server answers, or none lets us in, and `wait` is false.
            SettingInvalid: an address or a file of the settings cannot be used.
        """
        if self._client is not None:
            return
        options = self._options()
        client = Client()
        connecting = asyncio.create_task(client.connect(**options))
        try:
            await (connecting if wait else self._connect_now(connecting))
        except BaseException:
            connecting.cancel()
            self._closing = True
            with contextlib.suppress(NatsError, OSError, asyncio.CancelledError):
                await asyncio.wait_for(asyncio.gather(client.close(), connecting), 1.0)
            self._closing = False
            raise
        self._client, self._js = client, client.jetstream()
        self._up.set()
        self._complaint = None

    async def close(self) -> None:
        """Close the connection, whether the server is there or not. Never raises."""
        self._closing = True
        self._up.clear()
        self._buckets.clear()
        client, self._client, self._js = self._client, None, None
        if client is not None:
            with contextlib.suppress(NatsError, OSError, TimeoutError):
                await asyncio.wait_for(client.close(), 2.0)
        self._closing = False

    async def publish(
        self,
        event: Event,
        *,
        id: str,  # noqa: A002 - the CloudEvents name
        cause: Attributes | None = None,
    ) -> PubAck:
        """Publish an event and wait until it is stored.

        Args:
            event: what happened.
            id: names the cause; the bus stores one event per id within the stream's duplicate window.
            cause: attributes of the event that led to this one.

        Raises:
            Unreachable: not stored within the settings' `publish_budget`.
            BusForbidden: the server does not let this identity publish there.
            PublishRefused: the stream refuses the message.
            MessageTooLarge: the message is over the server's limit.
        """
        subject = event.subject()
        with self.telemetry.send(subject, id):
            attributes = Attributes(
                id=id,
                source=f"floe/{self.name}",
                time=datetime.now(UTC),
                causeid=cause.id if cause else None,
                traceparent=current_traceparent() or (cause.traceparent if cause else None),
            )
            headers, body = encode(event, attributes)
            return await self._store(subject, body, headers)

    async def publish_raw(
        self,
        subject: str,
        body: bytes,
        headers: Mapping[str, str],
        id: str,  # noqa: A002 - as in `publish`
        *,
        budget: float | None = None,
    ) -> PubAck:
        """Publish bytes with their headers: lineage, dead letters, and events that are encoded already.

        Raises what `publish` raises. `budget` is how many seconds it outlasts an absent bus, where that is not the one
        of the settings.
        """
        with self.telemetry.send(subject, id):
            complete = {**headers, MESSAGE_ID: id}
            if traceparent := current_traceparent():
                complete["traceparent"] = traceparent
            return await self._store(subject, body, complete, budget)

    async def key_value(self, bucket: str) -> KeyValue:
        """The bucket of that name.

        Raises:
            TopologyMissing: there is none.
            Unreachable: the bus does not answer.
        """
        if bucket not in self._buckets:
            if not self.connected:
                raise Unreachable(f"the bus at {self.address} is not connected")
            try:
                self._buckets[bucket] = await self.js.key_value(bucket)
            except BucketNotFoundError as error:
                raise TopologyMissing(f"there is no bucket {bucket!r}", hint="run floe topology apply") from error
            except NatsError as error:
                raise Unreachable(f"the bus does not answer: {error}") from error
        return self._buckets[bucket]

    async def until_connected(self, timeout: float) -> bool:  # noqa: ASYNC109 - a budget, not a cancellation
        """Wait up to `timeout` seconds for the connection; whether it is there."""
        if self._up.is_set():  # as it nearly always is, and this is asked before every publish
            return self.connected
        with contextlib.suppress(TimeoutError):  # asyncio.wait_for of Python 3.11 now and then swallows a cancellation
            async with asyncio.timeout(timeout):
                await self._up.wait()
        return self.connected

    def size_limit(self) -> int:
        """The most bytes that headers and body of one message may have."""
        limit: int = self.nc.max_payload
        return limit

    async def _store(self, subject: str, body: bytes, headers: dict[str, str], budget: float | None = None) -> PubAck:
        self._check_size(subject, body, headers)
        budget = self.settings.publish_budget if budget is None else budget
        deadline = time.monotonic() + budget
        backoff = _FIRST_BACKOFF
        reason = "no connection"
        while (remaining := deadline - time.monotonic()) > 0:
            # Nothing is handed to a client without a connection: it would keep it and send it whenever it reconnects.
            if not await self.until_connected(remaining):
                if self.lost.is_set():
                    break
                await asyncio.sleep(min(_FIRST_BACKOFF, max(0.0, deadline - time.monotonic())))
                continue
            try:
                return await self.js.publish(subject, body, timeout=min(_ATTEMPT, remaining), headers=headers)
            except MaxPayloadError as error:
                raise MessageTooLarge(f"{subject}: {error}", hint="put the content into a blob") from error
            except BadRequestError as error:
                raise PublishRefused(f"{subject}: {error.description} ({error.err_code})") from error
            except ConnectionClosedError:
                break
            except (NatsError, OSError, TimeoutError) as error:
                reason = str(error) or type(error).__name__
                self._check_permission(subject)
            await asyncio.sleep(min(backoff, max(0.0, deadline - time.monotonic())))
            backoff = min(backoff * 2, _LAST_BACKOFF)
        if self.lost.is_set():
            raise BusClosed(f"nothing can be published on {subject}: the server closed the connection")
        raise Unreachable(
            f"nothing was stored on {subject} within {budget:g} s: {reason}",
            hint=f"is the bus at {self.address} up, and was floe topology apply run?",
        )

    def _check_size(self, subject: str, body: bytes, headers: Mapping[str, str]) -> None:
        # The client counts the body alone; the server counts both and cuts the connection.
        if self._client is None or not self.connected:
            return
        size = message_size(headers, body)
        if size > self.size_limit():
            raise MessageTooLarge(
                f"{subject}: {size} bytes, and the bus takes {self.size_limit()}", hint="put the content into a blob"
            )

    def _check_permission(self, subject: str) -> None:
        # A refused publish is a mere timeout to the client; the refusal comes as an error of the connection.
        if any(f'"{subject.lower()}"' in refusal.lower() for refusal in self.forbidden):
            raise BusForbidden(
                f"this identity may not publish on {subject}", hint=f"grant it to {self.name} in the server's config"
            )

    async def _connect_now(self, connecting: asyncio.Task[None]) -> None:
        tries = len(servers(self.settings))
        for number in range(tries):
            failing = asyncio.create_task(self._first_errors.get())
            done, _ = await asyncio.wait(
                {connecting, failing}, timeout=_CONNECT_TIMEOUT + 1, return_when=asyncio.FIRST_COMPLETED
            )
            failing.cancel()
            if connecting in done:
                await connecting
                return
            if number + 1 < tries and failing in done:
                continue
            error = failing.result() if failing in done else TimeoutError("no answer")
            raise self._unreachable(error)

    def _unreachable(self, error: BaseException) -> Unreachable:
        if "uthorization" in str(error):
            return Unreachable(
                f"the bus at {self.address} does not let {self.name} in: {error}",
                hint="check FLOE_NATS_URL and FLOE_NATS_SEED_FILE",
            )
        return Unreachable(
            f"no bus answers at {self.address}: {error or type(error).__name__}",
            hint="start one with floe up, or set FLOE_NATS_URL",
        )

    def _options(self) -> dict[str, Any]:
        return {
            "servers": servers(self.settings),
            "name": f"floe-{self.name}",
            "inbox_prefix": self.inbox_prefix,
            "allow_reconnect": True,
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": _RECONNECT_WAIT,
            "connect_timeout": _CONNECT_TIMEOUT,
            "ping_interval": 20,
            "error_cb": self._on_error,
            "disconnected_cb": self._on_disconnect,
            "reconnected_cb": self._on_reconnect,
            "closed_cb": self._on_close,
            **identity(self.settings),
        }

    async def _on_error(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        if self._client is None:
            self._first_errors.put_nowait(error)
        if "permissions violation" in text.lower():
            self.forbidden.append(text)
            _log.error("bus.forbidden", error=text, service=self.name)
        elif text != self._complaint:
            # Reconnecting repeats the same complaint twice a second; it is said once.
            self._complaint = text
            _log.warning("bus.error", error=text, address=self.address, service=self.name)

    async def _on_disconnect(self) -> None:
        self._up.clear()
        if not self._closing:
            _log.warning("bus.disconnected", address=self.address, service=self.name)

    async def _on_reconnect(self) -> None:
        self._complaint = None
        self.forbidden.clear()
        self._up.set()
        _log.info("bus.reconnected", address=self.address, service=self.name)

    async def _on_close(self) -> None:
        if self._closing or self._client is None:
            return
        self._up.clear()
        self.lost.set()
        _log.critical("bus.closed", address=self.address, service=self.name)


def message_size(headers: Mapping[str, str], body: bytes) -> int:
    """The bytes of a message as the server counts them, to within a few."""
    return len(body) + _HEADER_ROOM + sum(len(name) + len(value.encode()) + 4 for name, value in headers.items())
