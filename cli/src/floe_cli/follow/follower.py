"""Following a submission and its run on the bus."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from nats.aio.msg import Msg
from nats.js.api import DeliverPolicy

from floe_chassis.bus import Bus
from floe_chassis.dead_letters import DeadLetter, read_dead_letter
from floe_chassis.stream_reader import read_stream
from floe_chassis.topology import ARTIFACTS, DLQ, EVENTS, LINEAGE
from floe_cli.errors import RunGivenUp, SubmissionGivenUp
from floe_cli.follow.progress import Progress, after, after_lineage
from floe_contracts import subjects
from floe_contracts.cloudevents import decode
from floe_contracts.errors import ContractError, Unreachable
from floe_contracts.events import (
    ArtifactCompiled,
    ArtifactPlanned,
    ArtifactRejected,
    Event,
    RunCompleted,
    RunEvent,
    RunFailed,
    SemanticFailed,
    SemanticRendered,
    TableCommitted,
)
from floe_contracts.openlineage.events import RUN_HEADER
from floe_contracts.openlineage.naming import Place
from floe_contracts.subjects import EventKind

_LOOK_AGAIN_SECONDS: Final = 2.0
_TELL_SECONDS: Final = 20.0
_AWAY_SECONDS: Final = 30.0
_EVENT_ID: Final = "ce-id"
_ENDS: Final = {EventKind.RUN_COMPLETED: RunCompleted, EventKind.RUN_FAILED: RunFailed}


class Follower:
    """Keeps the progress of one submission, and tells each change.

    The live subscriptions feed the view; what they miss while the bus is away is read from the streams.
    """

    def __init__(self, bus: Bus, place: Place, submission: str, changed: Callable[[Progress], None]) -> None:
        self._bus = bus
        self._place = place
        self._submission = submission
        self._changed = changed
        self._news = asyncio.Event()
        self._connected_at = time.monotonic()
        self._given_up: DeadLetter | None = None
        self.progress = Progress()
        self.run_id: str | None = None

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Listen, from now on, until the end of the context."""
        place = self._place
        lineage = subjects.lineage_pattern(place.tenant, place.environment, place.product)
        subscriptions = []
        for stream, pattern, callback in (
            (ARTIFACTS, f"{subjects.ROOT}.artifacts.*.{_names(place.tenant, place.product)}", self._on_event),
            (EVENTS, f"{subjects.ROOT}.*.*.{_names(*_parts(place))}", self._on_event),
            (EVENTS, f"{subjects.ROOT}.*.*.{_names(*_parts(place))}.*", self._on_event),
            (LINEAGE, lineage, self._on_lineage),
            (DLQ, f"{subjects.ROOT}.dlq.>", self._on_dead_letter),
        ):
            subscription = await self._bus.js.subscribe(
                pattern, stream=stream, cb=callback, ordered_consumer=True, deliver_policy=DeliverPolicy.NEW
            )
            subscriptions.append(subscription)
        try:
            yield
        finally:
            for subscription in subscriptions:
                await subscription.unsubscribe()

    async def until_compiled(self) -> Progress:
        """Wait until the submission is compiled, planned or rejected.

        Raises:
            SubmissionGivenUp: the compiler could not handle it.
        """
        kinds = (EventKind.ARTIFACT_COMPILED, EventKind.ARTIFACT_PLANNED, EventKind.ARTIFACT_REJECTED)
        while not (self.progress.compiled or self.progress.planned or self.progress.rejected):
            if self._given_up is not None:
                raise SubmissionGivenUp(f"the compiler gave the submission up: {self._given_up.reason}")
            if not await self._news_came():
                await self._catch_up(ARTIFACTS, [subjects.pattern(k, **_filter(self._place, k)) for k in kinds])
        return self.progress

    async def until_ended(self, run_id: str) -> Progress:
        """Wait until the run has ended.

        Raises:
            RunGivenUp: the executor could not take the request.
        """
        self.run_id = run_id
        while self.progress.outcome is None:
            if self._given_up is not None:
                raise RunGivenUp(f"the executor gave the request up: {self._given_up.reason}")
            if not await self._news_came():
                await self._catch_up(EVENTS, [subjects.pattern(k, **_filter(self._place, k)) for k in _ENDS])
        return self.progress

    async def until_told(self, *, rendered: bool) -> Progress:
        """Wait, not for ever, until the other services have told of the run: its tables, and its Cube bundle.

        Args:
            rendered: wait for the Cube bundle too.

        Raises:
            Unreachable: the catalog or the semantic service does not answer.
        """
        kinds = (EventKind.TABLE_COMMITTED, EventKind.SEMANTIC_RENDERED, EventKind.SEMANTIC_FAILED)
        deadline = time.monotonic() + _TELL_SECONDS
        while missing := self._untold(rendered=rendered):
            if time.monotonic() > deadline:
                raise Unreachable(
                    f"the run has ended, but the {missing} service did not tell of it within {_TELL_SECONDS:.0f} s",
                    hint=f"is the {missing} service running?",
                )
            if not await self._news_came():
                await self._catch_up(EVENTS, [subjects.pattern(k, **_filter(self._place, k)) for k in kinds])
        return self.progress

    def _untold(self, *, rendered: bool) -> str | None:
        """The service that has not told yet."""
        if rendered and self.progress.rendered is None:
            return "semantic"
        tables = self.progress.outcome.tables if self.progress.outcome else ()
        landed = {(table.identifier, table.snapshot_id) for table in tables}
        return None if landed <= self.progress.committed else "catalog"

    async def _news_came(self) -> bool:
        """Wait for news; False if there were none for a while.

        Raises:
            Unreachable: the bus has been away for long.
        """
        if self._bus.connected:
            self._connected_at = time.monotonic()
        elif time.monotonic() - self._connected_at > _AWAY_SECONDS:
            raise Unreachable(
                f"the bus at {self._bus.address} has been away for {_AWAY_SECONDS:.0f} s",
                hint="the run goes on where its services are; floe status shows how it ended",
            )
        try:
            await asyncio.wait_for(self._news.wait(), _LOOK_AGAIN_SECONDS)
        except TimeoutError:
            return False
        self._news.clear()
        return True

    async def _catch_up(self, stream: str, patterns: list[str]) -> None:
        """Read from the stream what the live subscriptions may have missed."""
        if not self._bus.connected:
            return
        for pattern in patterns:
            async for message in read_stream(self._bus.js, stream, pattern):
                await self._on_event(message)

    async def _on_event(self, message: Msg) -> None:
        try:
            event = decode(message.subject, message.headers, message.data).event
        except ContractError:
            return  # a newer floe may publish kinds that this one does not know
        if self._belongs(event):
            self._show(after(self.progress, event))

    async def _on_dead_letter(self, message: Msg) -> None:
        letter = read_dead_letter(message.headers or {}, message.data)
        if self._submission in letter.headers.get(_EVENT_ID, ""):  # the ids of both requests name the submission
            self._given_up = letter
            self._news.set()

    async def _on_lineage(self, message: Msg) -> None:
        if (message.headers or {}).get(RUN_HEADER) == self.run_id and self.progress.outcome is None:
            event = json.loads(message.data)
            self._show(after_lineage(self.progress, event["job"]["name"], event["eventType"]))

    def _belongs(self, event: Event) -> bool:
        if isinstance(event, ArtifactCompiled | ArtifactPlanned | ArtifactRejected):
            return event.submission == self._submission
        if isinstance(event, SemanticRendered | SemanticFailed):
            compiled = self.progress.compiled
            return compiled is not None and event.artifact_digest == compiled.artifact_digest
        if isinstance(event, TableCommitted):
            return event.run_id == self.run_id
        return isinstance(event, RunEvent) and event.run_id == self.run_id and self.progress.outcome is None

    def _show(self, progress: Progress) -> None:
        self.progress = progress
        self._news.set()
        self._changed(progress)


def _parts(place: Place) -> tuple[str, str, str]:
    return place.tenant, place.environment, place.product


def _names(*names: str) -> str:
    return ".".join(subjects.escape(name) for name in names)


def _filter(place: Place, kind: EventKind) -> dict[str, str]:
    names = {"tenant": place.tenant, "product": place.product}
    return names if kind.scope is subjects.Scope.PRODUCT else names | {"environment": place.environment}
