"""Answers which backends there are and how far they are, and has one get again what it has had."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from floe_chassis.answers import Asked
from floe_contracts.errors import ContractError, FloeError
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
    """What is known of a backend; one that the bus says nothing about hides none of the others."""
    progress = forwarder.progress
    error, failed_at = progress.last_error, progress.last_error_at
    in_flight = 0
    try:
        in_flight = (await forwarder.look()).in_flight
    except FloeError as unseen:
        error, failed_at = str(unseen), datetime.now(UTC)
    oldest = progress.oldest_waiting_at
    return BackendEntry(
        name=forwarder.name,
        waiting=progress.waiting,
        in_flight=in_flight,
        oldest_waiting_at=oldest.isoformat() if oldest else None,
        breaker="open" if progress.away else "closed",
        last_error=error,
        last_error_at=failed_at.isoformat() if failed_at else None,
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
