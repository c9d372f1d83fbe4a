"""What the bus still tells of runs that have ended, of artifacts, and of what was rendered from them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from floe_chassis.stream_reader import read_stream
from floe_chassis.topology import ARTIFACTS, EVENTS
from floe_cli.stack.connection import Connection
from floe_cli.tracing.cube_verdicts import Verdict
from floe_contracts import subjects
from floe_contracts.cloudevents import decode
from floe_contracts.errors import ContractError
from floe_contracts.events import (
    ArtifactCompiled,
    Event,
    RunCancelled,
    RunCompleted,
    RunFailed,
    SemanticRendered,
    SemanticSynced,
    SemanticSyncFailed,
    TableCommitted,
)

EventT = TypeVar("EventT", bound=Event)

Outcome: TypeAlias = RunCompleted | RunFailed | RunCancelled
"""How a run ended that had begun; one whose place was taken has left nothing to trace."""


@dataclass(frozen=True, slots=True)
class History:
    """Events of a tenant, each kind in the order in which it was told."""

    outcomes: tuple[Outcome, ...]
    compiled: tuple[ArtifactCompiled, ...]
    rendered: tuple[SemanticRendered, ...]
    verdicts: tuple[Verdict, ...] = ()
    """What Cubes made of the bundles."""


async def read_history(connection: Connection) -> History:
    """All of it."""
    ended: list[tuple[int, Outcome]] = [told async for told in _events(connection, EVENTS, RunCompleted)]
    ended += [told async for told in _events(connection, EVENTS, RunFailed)]
    ended += [told async for told in _events(connection, EVENTS, RunCancelled)]
    verdicts: list[tuple[int, Verdict]] = [told async for told in _events(connection, EVENTS, SemanticSynced)]
    verdicts += [told async for told in _events(connection, EVENTS, SemanticSyncFailed)]
    return History(
        outcomes=tuple(outcome for _, outcome in sorted(ended, key=lambda told: told[0])),
        compiled=tuple([event async for _, event in _events(connection, ARTIFACTS, ArtifactCompiled)]),
        rendered=tuple([event async for _, event in _events(connection, EVENTS, SemanticRendered)]),
        verdicts=tuple(verdict for _, verdict in sorted(verdicts, key=lambda told: told[0])),
    )


async def committed_by(connection: Connection, run_id: str) -> list[TableCommitted]:
    """What the catalog told of the tables that a run left."""
    return [event async for _, event in _events(connection, EVENTS, TableCommitted) if event.run_id == run_id]


async def _events(connection: Connection, stream: str, kind: type[EventT]) -> AsyncIterator[tuple[int, EventT]]:
    """The events of a kind, with their numbers in the stream."""
    pattern = subjects.pattern(kind.kind, tenant=connection.settings.tenant)
    async for message in read_stream(connection.bus.js, stream, pattern):
        try:
            event = decode(message.subject, message.headers, message.data).event
        except ContractError:
            continue  # a newer floe may write events that this one does not read
        if isinstance(event, kind):
            yield message.metadata.sequence.stream, event
