"""Following a submission and its run on the bus."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import unquote

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from floe_chassis.bus import Bus
from floe_chassis.dead_letters import DeadLetter, read_dead_letter
from floe_chassis.requests import ask
from floe_chassis.stream_reader import read_stream
from floe_chassis.topology import ARTIFACTS, DLQ, EVENTS, LINEAGE
from floe_cli.errors import RunGivenUp, SubmissionGivenUp
from floe_cli.follow.listening import below, listening
from floe_cli.follow.progress import Progress, after, after_lineage
from floe_contracts import subjects
from floe_contracts.cloudevents import decode
from floe_contracts.errors import ContractError, FloeError, Unreachable
from floe_contracts.events import (
    ArtifactCompiled,
    ArtifactPlanned,
    ArtifactRejected,
    Event,
    RunCancelled,
    RunCompleted,
    RunEvent,
    RunFailed,
    RunSuperseded,
    SemanticFailed,
    SemanticRendered,
    SemanticSynced,
    SemanticSyncFailed,
    TableCommitted,
)
from floe_contracts.openlineage.envelope import RUN_HEADER
from floe_contracts.openlineage.naming import Place, run_id
from floe_contracts.semantic_requests import LIST_SERVED, ListServed
from floe_contracts.subjects import EventKind

_LOOK_AGAIN_SECONDS: Final = 2.0
_TELL_SECONDS: Final = 20.0
_RENDER_SECONDS: Final = 660.0
"""Longer than the semantic service gives Cube's compiler, ten minutes unless its settings say otherwise."""
_SEMANTIC: Final = "semantic"
_AWAY_SECONDS: Final = 30.0
_EVENT_ID: Final = "ce-id"
_NO_SNAPSHOT: Final = -1
"""What a run says of a table that dbt has made and written nothing to."""
_REQUESTS: Final = tuple(f"{subjects.ROOT}.{kind}." for kind in (EventKind.SPEC_SUBMITTED, EventKind.RUN_REQUESTED))
RUN_ENDS: Final = tuple(event.kind for event in (RunCompleted, RunFailed, RunCancelled, RunSuperseded))


class Follower:
    """Keeps the progress of one submission or request, and tells each change.

    The live subscriptions feed the view; what they miss while the bus is away is read from the streams.

    Attributes:
        progress: what has happened so far.
        run_id: the run whose events are followed.
        compiled_id: id of the event that announced the artifact, once it was compiled.
    """

    def __init__(
        self,
        bus: Bus,
        place: Place,
        cause: str,
        changed: Callable[[Progress], None],
        *,
        first: Progress | None = None,
        request_of: Callable[[str], str] | None = None,
    ) -> None:
        """Follow what `cause` leads to.

        Args:
            bus: connected.
            place: where it happens.
            cause: the submission, or the id of a run request.
            changed: told of every new progress.
            first: what to begin with; left out, a submission that is compiled.
            request_of: the id of the run request that follows from a compiled artifact, by the id of its event.
        """
        self._bus = bus
        self._place = place
        self._cause = cause
        self._causes = {cause}
        self._request_of = request_of
        self._changed = changed
        self._news = asyncio.Event()
        self._connected_at = time.monotonic()
        self._given_up: DeadLetter | None = None
        self.progress = first or Progress()
        self.run_id: str | None = None
        self.compiled_id: str | None = None

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Listen, from now on, until the end of the context."""
        place = self._place
        product = f"{subjects.escape(place.tenant)}.{subjects.escape(place.product)}"
        wanted = (
            (ARTIFACTS, [f"{subjects.ROOT}.artifacts.*.{product}"], self._on_event),
            # Together: what a node has come to must not be heard after the end of its run.
            (EVENTS, [f"{subjects.ROOT}.*.*.{below(place)}", f"{subjects.ROOT}.*.*.{below(place)}.*"], self._on_event),
            (LINEAGE, [subjects.lineage_pattern(place.tenant, place.environment, place.product)], self._on_lineage),
            (DLQ, [f"{subjects.ROOT}.dlq.>"], self._on_dead_letter),
        )
        async with listening(self._bus, wanted):
            yield

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

    async def until_ended(self, run: str) -> Progress:
        """Wait until the run of that id has ended.

        Raises:
            RunGivenUp: the executor could not take the request.
        """
        self.run_id = run
        while self.progress.outcome is None:
            if self._given_up is not None:
                raise RunGivenUp(f"the executor gave the request up: {self._given_up.reason}")
            if not await self._news_came():
                await self._catch_up(EVENTS, [subjects.pattern(k, **_filter(self._place, k)) for k in RUN_ENDS])
        return self.progress

    async def until_told(self, *, rendered: bool) -> Progress:
        """Wait, not for ever, until the other services have told of the run: its tables, and its Cube bundle.

        Args:
            rendered: wait for the Cube bundle too.

        Raises:
            Unreachable: the catalog or the semantic service does not answer.
        """
        kinds = (EventKind.TABLE_COMMITTED, EventKind.SEMANTIC_RENDERED, EventKind.SEMANTIC_FAILED)
        started, seconds = time.monotonic(), _TELL_SECONDS
        while missing := self._untold(rendered=rendered):
            if time.monotonic() > started + seconds:
                if missing == _SEMANTIC and seconds < _RENDER_SECONDS and await self._renders():
                    seconds = _RENDER_SECONDS
                    continue
                raise Unreachable(
                    f"the run has ended, but the {missing} service did not tell of it within {seconds:.0f} s",
                    hint=f"is the {missing} service running?",
                )
            if not await self._news_came():
                await self._catch_up(EVENTS, [subjects.pattern(k, **_filter(self._place, k)) for k in kinds])
        return self.progress

    def _untold(self, *, rendered: bool) -> str | None:
        """The service that has not told yet."""
        if rendered and self.progress.rendered is None:
            return _SEMANTIC
        tables = getattr(self.progress.outcome, "tables", ())
        landed = {(table.identifier, table.snapshot_id) for table in tables if table.snapshot_id != _NO_SNAPSHOT}
        return None if landed <= self.progress.committed else "catalog"

    async def _renders(self) -> bool:
        """Whether the semantic service is there: Cube's compiler, which it asks, takes its time with a large model."""
        tenant, environment = self._place.tenant, self._place.environment
        try:
            await ask(self._bus, LIST_SERVED, ListServed(), tenant=tenant, environment=environment)
        except FloeError:
            return False
        return True

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
        with contextlib.suppress(NatsError, OSError, TimeoutError):  # a bus that is busy is asked again
            for pattern in patterns:
                async for message in read_stream(self._bus.js, stream, pattern):
                    await self._on_event(message)

    async def _on_event(self, message: Msg) -> None:
        try:
            received = decode(message.subject, message.headers, message.data)
        except ContractError:
            return  # a newer floe may publish kinds that this one does not know
        event = received.event
        if self._belongs(event):
            if isinstance(event, ArtifactCompiled):
                self.compiled_id = received.attributes.id
                if self._request_of is not None:  # a compile trigger may ask, and the run begin, before we do
                    self._causes.add(request := self._request_of(received.attributes.id))
                    self.run_id = run_id(self._place, request)
            self._show(after(self.progress, event))

    async def _on_dead_letter(self, message: Msg) -> None:
        letter = read_dead_letter(message.headers or {}, message.data)
        if not letter.subject.startswith(_REQUESTS):
            return  # what another service could not do with an answer
        event_id = unquote(letter.headers.get(_EVENT_ID, ""))
        if any(cause in event_id for cause in self._causes):  # the id of a submission stands in that of its event
            self._given_up = letter
            self._news.set()

    async def _on_lineage(self, message: Msg) -> None:
        if (message.headers or {}).get(RUN_HEADER) == self.run_id and self.progress.outcome is None:
            event = json.loads(message.data)
            self._show(after_lineage(self.progress, event["job"]["name"], event["eventType"]))

    def _belongs(self, event: Event) -> bool:
        if isinstance(event, ArtifactCompiled | ArtifactPlanned | ArtifactRejected):
            return event.submission == self._cause
        if isinstance(event, SemanticRendered | SemanticFailed | SemanticSynced | SemanticSyncFailed):
            compiled = self.progress.compiled
            return compiled is not None and event.artifact_digest == compiled.artifact_digest
        if isinstance(event, TableCommitted):
            return event.run_id in {self.run_id, None}  # what dbt writes into a catalog itself has no mark of its run
        return isinstance(event, RunEvent) and event.run_id == self.run_id and self.progress.outcome is None

    def _show(self, progress: Progress) -> None:
        self.progress = progress
        self._news.set()
        self._changed(progress)


def _filter(place: Place, kind: EventKind) -> dict[str, str]:
    names = {"tenant": place.tenant, "product": place.product}
    return names if kind.scope is subjects.Scope.PRODUCT else names | {"environment": place.environment}
