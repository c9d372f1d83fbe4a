"""Answers which backends there are and how far they are, and has one get again what it has had."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from floe_chassis.answers import Asked
from floe_contracts.errors import ContractError
from floe_contracts.lineage_requests import BackendEntry, BackendList, ListBackends, ReplayLineage, ReplayStarted
from floe_contracts.suggestions import meant_or_known
from floe_lineage.errors import BackendUnknown
from floe_lineage.forwarding.loop import Forwarder


async def list_backends(forwarders: Mapping[str, Forwarder], asked: Asked[ListBackends]) -> BackendList:
    """The backends by name, each with what it still waits for now."""
    del asked
    return BackendList(backends=tuple([await _entry(forwarders[name]) for name in sorted(forwarders)]))


async def replay_lineage(forwarders: Mapping[str, Forwarder], asked: Asked[ReplayLineage]) -> ReplayStarted:
    """Set a backend back.

    Raises:
        BackendUnknown: there is none of that name.
        ContractError: the time is none.
        FloeError: see `Forwarder.replay`.
    """
    name = asked.request.backend
    if name not in forwarders:
        raise BackendUnknown(f"there is no lineage backend {name!r}", hint=meant_or_known(name, forwarders))
    replay = await forwarders[name].replay(_moment(asked.request.since), dry_run=asked.request.dry_run)
    first = replay.first
    return ReplayStarted(
        backend=name,
        events=first.events if first else 0,
        first_sequence=first.sequence if first else None,
        first_stored_at=first.time.isoformat() if first else None,
    )


async def _entry(forwarder: Forwarder) -> BackendEntry:
    backlog = await forwarder.look()
    progress = forwarder.progress
    oldest = progress.oldest_waiting_at
    return BackendEntry(
        name=forwarder.name,
        waiting=backlog.waiting,
        in_flight=backlog.in_flight,
        oldest_waiting_at=oldest.isoformat() if oldest else None,
        breaker="open" if progress.away else "closed",
        last_error=progress.last_error,
        last_error_at=progress.last_error_at.isoformat() if progress.last_error_at else None,
        accepted=progress.accepted,
        refused=progress.refused,
    )


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ContractError(f"{text!r} is no ISO 8601 time") from error
    if moment.tzinfo is None:
        raise ContractError(f"{text!r} has no offset")
    return moment
