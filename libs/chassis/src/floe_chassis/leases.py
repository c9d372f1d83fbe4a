"""Leases: one holder at a time, kept alive by renewing, told from each other by a growing fencing token.

The bucket's time to live ends a lease; renewing is an update that must follow the last revision. A key of its own
time to live could not be renewed (see the server's key-value semantics), so the bucket has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import uuid
from typing import Final, Self

import structlog
from nats.errors import Error as NatsError
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from floe_chassis.bus import Bus
from floe_chassis.settings import ChassisSettings
from floe_chassis.topology import LEASES_BUCKET
from floe_contracts.errors import LeaseLost, Unreachable
from floe_contracts.subjects import escape

_RENEWALS: Final = 3
_RETRY: Final = 0.2

_log = structlog.get_logger("floe.leases")


def lease_key(tenant: str, environment: str, product: str) -> str:
    """The key of the lease under which a product is built in an environment."""
    return ".".join(escape(name) for name in (tenant, environment, product))


class Lease:
    """A lease that we hold, until `lost` is set or it is released.

    Attributes:
        key: what is leased.
        token: the fencing token; every acquisition of the key has a greater one than all before.
        lost: set as soon as the lease may be somebody else's.
    """

    def __init__(self, bus: Bus, bucket: KeyValue, key: str, owner: str, revision: int, ttl: float) -> None:
        self.key = key
        self.token = revision
        self.lost = asyncio.Event()
        self._bus = bus
        self._bucket = bucket
        self._owner = owner
        self._revision = revision
        self._ttl = ttl
        self._lock = asyncio.Lock()
        self._renewing: asyncio.Task[None] | None = None

    @classmethod
    async def acquire(cls, bus: Bus, settings: ChassisSettings, key: str) -> Self | None:
        """Take the lease of `key`, or None if somebody holds it.

        Args:
            bus: connected.
            settings: for `lease_seconds`; a shorter time to live of the bucket wins.
            key: letters, digits and `-_/=.`; see `lease_key`.

        Raises:
            TopologyMissing: there is no bucket of leases.
            Unreachable: the bus does not answer.
        """
        bucket = await bus.key_value(LEASES_BUCKET)
        if not bus.connected:
            raise Unreachable(f"the lease of {key} cannot be asked for: no connection")
        owner = uuid.uuid4().hex
        try:
            ttl = min(settings.lease_seconds, (await bucket.status()).ttl or settings.lease_seconds)
            asked = time.monotonic()
            revision = await bucket.create(key, _content(bus.name, owner))
        except (KeyWrongLastSequenceError, KeyNotFoundError):
            # Held, or it ended between the two looks that creating takes; the next try will tell.
            return None
        except (NatsError, OSError, TimeoutError) as error:
            raise Unreachable(f"the lease of {key} cannot be asked for: {error}") from error
        lease = cls(bus, bucket, key, owner, revision, ttl)
        lease._renewing = asyncio.create_task(lease._renew(asked), name=f"lease {key}")
        lease._renewing.add_done_callback(lease._renewing_ended)
        return lease

    async def verify(self) -> None:
        """Make sure that the lease is still ours, by asking the bus.

        Raises:
            LeaseLost: it is not, or may not be.
            Unreachable: the bus does not answer, so nobody knows.
        """
        if self.lost.is_set():
            raise LeaseLost(f"the lease of {self.key} (token {self.token}) was lost")
        if not self._bus.connected:
            raise Unreachable(f"the lease of {self.key} cannot be looked up: no connection")
        try:
            # Not longer than a renewal may wait for the lock.
            async with asyncio.timeout(self._ttl / _RENEWALS), self._lock:
                ours = await self._still_ours()
        except TimeoutError as error:
            raise Unreachable(f"the lease of {self.key} cannot be looked up: no answer") from error
        if not ours:
            self._lose("taken")
            raise LeaseLost(f"the lease of {self.key} (token {self.token}) is somebody else's")

    async def confirm(self) -> None:
        """Make sure that the lease is still ours; a bus that is away is waited for as long as it may be.

        Raises:
            LeaseLost: it is not, or may not be.
        """
        while True:
            try:
                await self.verify()
            except Unreachable:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.lost.wait(), _RETRY)
            else:
                return

    async def release(self) -> None:
        """Give the lease back. If the bus is away, it ends by itself."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
            self._renewing = None
        if self.lost.is_set() or not self._bus.connected:
            return
        with contextlib.suppress(NatsError, OSError, TimeoutError):
            await self._bucket.delete(self.key, last=self._revision)

    async def _renew(self, asked: float) -> None:
        # The server counts from when it stored the key, which is after we asked: we give up before it does.
        certain_until = asked + self._ttl
        unanswered: float | None = None
        pause = self._ttl / _RENEWALS
        # Python 3.11 can lose a cancellation in `timeout` or `wait_for`; then it is asked for here.
        task = asyncio.current_task()
        while task is None or not task.cancelling():
            await asyncio.sleep(min(pause, max(0.0, certain_until - time.monotonic())))
            asked = time.monotonic()
            if asked >= certain_until:
                self._lose("not renewed in time")
                return
            pause = min(_RETRY, self._ttl / _RENEWALS)
            if not self._bus.connected:
                continue
            try:
                async with asyncio.timeout(min(certain_until - asked, self._ttl / _RENEWALS)), self._lock:
                    if await self._update():
                        certain_until, unanswered = asked + self._ttl, None
                        pause = self._ttl / _RENEWALS
                    elif not await self._still_ours():
                        self._lose("taken")
                        return
                    elif unanswered is not None:
                        # A renewal without an answer was stored after all; it was asked for no earlier than this.
                        certain_until, unanswered = unanswered + self._ttl, None
            except (NatsError, OSError, TimeoutError, Unreachable):
                unanswered = asked if unanswered is None else unanswered

    async def _update(self) -> bool:
        content = _content(self._bus.name, self._owner)
        try:
            self._revision = await self._bucket.update(self.key, content, last=self._revision)
        except KeyWrongLastSequenceError:
            return False
        return True

    async def _still_ours(self) -> bool:
        try:
            entry = await self._bucket.get(self.key)
        except KeyNotFoundError:
            return False
        except (NatsError, OSError, TimeoutError) as error:
            raise Unreachable(f"the lease of {self.key} cannot be looked up: {error}") from error
        if json.loads(entry.value or b"{}").get("owner") != self._owner:
            return False
        self._revision = entry.revision or self._revision
        return True

    def _renewing_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._lose(f"renewing failed: {error}")

    def _lose(self, reason: str) -> None:
        if not self.lost.is_set():
            self.lost.set()
            _log.warning("lease.lost", key=self.key, token=self.token, reason=reason)


def _content(service: str, owner: str) -> bytes:
    return json.dumps({"service": service, "owner": owner}).encode()
