"""Following a backfill: how the run of each of its partitions goes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from floe_chassis.dead_letters import DeadLetter, read_dead_letter
from floe_chassis.stream_reader import read_stream
from floe_chassis.topology import DLQ, EVENTS
from floe_cli.errors import RunGivenUp
from floe_cli.follow.follower import RUN_ENDS
from floe_cli.follow.listening import below, listening
from floe_cli.run_asking import Asking
from floe_cli.stack.connection import Connection
from floe_contracts import subjects
from floe_contracts.cloudevents import decode
from floe_contracts.errors import ContractError
from floe_contracts.events import BackfillCompleted, Event, NodeEvent, RunCancelled, RunEvent, RunFailed
from floe_contracts.subjects import EventKind

_LOOK_AGAIN_SECONDS: Final = 2.0
_EVENT_ID: Final = "ce-id"


@dataclass(frozen=True, slots=True)
class BackfillProgress:
    """A backfill as it is seen from outside.

    Attributes:
        partitions: key -> queued, started, or how its run ended.
        outcome: that of the backfill; of a run in its name, where none of its runs could begin.
    """

    partitions: dict[str, str] = field(default_factory=dict)
    outcome: BackfillCompleted | RunFailed | RunCancelled | None = None


def after(progress: BackfillProgress, backfill: str, event: Event) -> BackfillProgress:
    """The progress after an event; those of others change nothing."""
    if isinstance(event, BackfillCompleted) and event.backfill == backfill:
        results = {result.partition: result.status for result in event.results}
        return BackfillProgress(progress.partitions | results, event)
    if isinstance(event, RunFailed | RunCancelled) and event.run_id == backfill:
        return replace(progress, outcome=event)
    if not isinstance(event, RunEvent) or isinstance(event, NodeEvent):
        return progress
    if event.backfill != backfill or event.partition is None:
        return progress
    return replace(progress, partitions=progress.partitions | {event.partition: event.kind.value.partition(".")[2]})


async def follow_backfill(
    connection: Connection, asking: Asking, changed: Callable[[BackfillProgress], None]
) -> BackfillProgress:
    """Ask for a backfill, and wait until all of its runs have ended.

    Raises:
        RunGivenUp: the executor could not take the request.
    """
    follower = _BackfillFollower(connection, asking, changed)
    wanted = (
        (EVENTS, [f"{subjects.ROOT}.*.*.{below(asking.place)}"], follower.on_event),
        (DLQ, [f"{subjects.ROOT}.dlq.>"], follower.on_dead_letter),
    )
    async with listening(connection.bus, wanted):
        await asking.publish(connection)
        return await follower.until_ended()


class _BackfillFollower:
    """Keeps the progress of one backfill; what the subscriptions miss while the bus is away is read from the stream."""

    def __init__(self, connection: Connection, asking: Asking, changed: Callable[[BackfillProgress], None]) -> None:
        self._bus = connection.bus
        self._asking = asking
        self._changed = changed
        self._progress = BackfillProgress()
        self._given_up: DeadLetter | None = None
        self._news = asyncio.Event()

    async def until_ended(self) -> BackfillProgress:
        while self._progress.outcome is None:
            if self._given_up is not None:
                raise RunGivenUp(f"the executor gave the request up: {self._given_up.reason}")
            try:
                await asyncio.wait_for(self._news.wait(), _LOOK_AGAIN_SECONDS)
            except TimeoutError:
                await self._catch_up()
            self._news.clear()
        return self._progress

    async def on_event(self, message: Msg) -> None:
        try:
            event = decode(message.subject, message.headers, message.data).event
        except ContractError:
            return  # a newer floe may publish kinds that this one does not know
        progress = after(self._progress, self._asking.run_id, event)
        if progress != self._progress:
            self._progress = progress
            self._news.set()
            self._changed(progress)

    async def on_dead_letter(self, message: Msg) -> None:
        letter = read_dead_letter(message.headers or {}, message.data)
        if letter.headers.get(_EVENT_ID) == self._asking.cause:
            self._given_up = letter
            self._news.set()

    async def _catch_up(self) -> None:
        if not self._bus.connected:
            return
        with contextlib.suppress(NatsError, OSError, TimeoutError):  # a bus that is busy is asked again
            await self._read_ends()

    async def _read_ends(self) -> None:
        place = self._asking.place
        for kind in (*RUN_ENDS, EventKind.BACKFILL_COMPLETED):
            pattern = subjects.pattern(kind, tenant=place.tenant, environment=place.environment, product=place.product)
            async for message in read_stream(self._bus.js, EVENTS, pattern):
                await self.on_event(message)


def result_document(progress: BackfillProgress, asking: Asking) -> dict[str, Any]:
    """What became of a backfill, as one JSON object: `completed` only if every partition is."""
    outcome = progress.outcome
    results = [result.model_dump() for result in outcome.results] if isinstance(outcome, BackfillCompleted) else []
    well = bool(results) and all(result["status"] == "completed" for result in results)
    return {
        "tenant": asking.place.tenant,
        "environment": asking.place.environment,
        "product": asking.place.product,
        "backfill_id": asking.run_id,
        "status": "completed" if well else "failed",
        "results": results,
        "problems": [problem.model_dump(exclude_none=True) for problem in getattr(outcome, "problems", ())],
    }
