"""The durable consumer of one backend: how far it is, and setting it back."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy
from nats.js.errors import NotFoundError

from floe_chassis.batch_pull import delivered
from floe_chassis.bus import Bus
from floe_chassis.errors import TopologyMissing
from floe_chassis.topology import LINEAGE
from floe_contracts import subjects
from floe_contracts.errors import Unreachable
from floe_lineage.core.forwarding.backlog import Backlog, StoredAt
from floe_lineage.errors import ReplayRefused

_SECONDS: Final = 10.0
_INACTIVE_SECONDS: Final = 30.0
_TRIES: Final = 10
_PAUSE_SECONDS: Final = 0.2
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class LineageConsumer:
    """A durable consumer of the lineage stream, by its name; fulfils `Consumer`."""

    def __init__(self, bus: Bus, name: str) -> None:
        self._bus = bus
        self._name = name

    async def backlog(self) -> Backlog:
        info = await self._info()
        settled = info.ack_floor.stream_seq if info.ack_floor else 0
        return Backlog(settled, info.num_pending or 0, info.num_ack_pending or 0)

    async def first_from(self, start: int | datetime) -> StoredAt | None:
        try:
            return await self._look(_from(start))
        except (NatsError, OSError, TimeoutError) as error:
            raise _unreachable(error) from error

    async def set_back(self, sequence: int) -> None:
        # nats-server 2.15 may note an event that it has just handed out after the reset, and stand behind it then.
        for _ in range(_TRIES):
            await self._reset(sequence)
            if (await self.backlog()).settled == sequence - 1:
                return
            await asyncio.sleep(_PAUSE_SECONDS)
        raise Unreachable(
            f"the consumer {self._name!r} does not keep its place", hint="is another lineage service reading with it?"
        )

    async def _reset(self, sequence: int) -> None:
        try:
            answer = await self._bus.nc.request(
                f"$JS.API.CONSUMER.RESET.{LINEAGE}.{self._name}",
                json.dumps({"seq": sequence}).encode(),
                timeout=_SECONDS,
            )
        except (NatsError, OSError, TimeoutError) as error:  # an older server says nothing
            raise Unreachable(
                f"the bus does not set the consumer {self._name!r} back: {str(error) or type(error).__name__}",
                hint="it takes nats-server 2.14",
            ) from error
        problem: dict[str, Any] | None = json.loads(answer.data).get("error")
        if problem:
            raise ReplayRefused(f"the bus does not set the consumer {self._name!r} back: {problem.get('description')}")

    async def _info(self) -> ConsumerInfo:
        try:
            return await self._bus.js.consumer_info(LINEAGE, self._name)
        except NotFoundError as error:
            raise TopologyMissing(
                f"there is no consumer {self._name!r} on the stream {LINEAGE}",
                hint="run floe topology apply with the same backends",
            ) from error
        except (NatsError, OSError, TimeoutError) as error:
            raise _unreachable(error) from error

    async def _look(self, config: ConsumerConfig) -> StoredAt | None:
        """Through a consumer of the moment, which is told how many events it has, and of the first one its headers."""
        js = self._bus.js
        subscription = await js.pull_subscribe(subjects.lineage_pattern(), stream=LINEAGE, config=config)
        name = ""
        try:
            info = await subscription.consumer_info()
            name, events = info.name, info.num_pending or 0
            if not events:
                return None
            (first,) = await subscription.fetch(1, timeout=_SECONDS)
            told = delivered(first)
            return StoredAt(told.sequence, _EPOCH + timedelta(microseconds=told.stored_at // 1000), events)
        finally:
            with contextlib.suppress(NatsError):
                await subscription.unsubscribe()
                if name:
                    await js.delete_consumer(LINEAGE, name)


def _from(start: int | datetime) -> ConsumerConfig:
    config = ConsumerConfig(ack_policy=AckPolicy.NONE, inactive_threshold=_INACTIVE_SECONDS, headers_only=True)
    if isinstance(start, int):
        return config.evolve(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=start)
    time = start.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return config.evolve(deliver_policy=DeliverPolicy.BY_START_TIME, opt_start_time=time)


def _unreachable(error: Exception) -> Unreachable:
    return Unreachable(f"the bus does not answer about {LINEAGE}: {str(error) or type(error).__name__}")
