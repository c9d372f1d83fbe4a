"""Which artifact is live in an environment. Pure: a record and an event of FLOE_ARTIFACTS make the next record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.events import ArtifactCompiled, SourceReference
from floe_contracts.live_products import LiveProduct, live_environments
from floe_contracts.repositories import full_ref


@dataclass(frozen=True, slots=True)
class Announcement:
    """An artifact that was announced, and the place of the announcement in the stream."""

    event: ArtifactCompiled
    artifact: CompiledArtifacts
    sequence: int
    at: datetime


def live(before: LiveProduct | None, announced: Announcement, environment: str) -> LiveProduct | None:
    """The record when an artifact becomes live; None if what stands there is the same or newer.

    The clock of a product that keeps its schedule goes on: a tick that came before the announcement is not lost.
    """
    if before is not None and before.sequence >= announced.sequence:
        return None
    event, artifact = announced.event, announced.artifact
    after = LiveProduct(
        tenant=event.tenant,
        environment=environment,
        product=event.product,
        artifact_digest=event.artifact_digest,
        sequence=announced.sequence,
        since=announced.at.isoformat(),
        source=event.source,
        schedule=artifact.schedule,
        triggers=artifact.triggers,
        concurrency=artifact.orchestration.concurrency,
    )
    if before is None or before.retired or not _same_clock(before, after):
        return after
    return after.model_copy(update={"since": before.since, "last_tick": before.last_tick})


def retired(before: LiveProduct | None, sequence: int) -> LiveProduct | None:
    """The record when the product is gone; None if it is gone already, or came back since."""
    if before is None or before.retired or before.sequence >= sequence:
        return None
    return before.model_copy(update={"retired": True, "sequence": sequence})


def abandoned(product: LiveProduct, announced: Announcement, environments: tuple[str, ...]) -> bool:
    """Whether the same ref that once brought the product to an environment builds there no more."""
    if product.environment in environments or product.sequence >= announced.sequence:
        return False
    return _origin(product.source) == _origin(announced.event.source)


def after_compiled(known: Mapping[str, LiveProduct], announced: Announcement) -> dict[str, LiveProduct]:
    """The records of a product, by environment, after an artifact of it was announced.

    Raises:
        RefInvalid: it was announced for what is no name of a branch or a tag.
    """
    environments = live_environments(announced.artifact, announced.event.source)
    after = dict(known)
    for environment in environments:
        after[environment] = live(known.get(environment), announced, environment) or known[environment]
    for environment, product in known.items():
        if abandoned(product, announced, environments):
            after[environment] = retired(product, announced.sequence) or product
    return after


def after_retired(known: Mapping[str, LiveProduct], sequence: int) -> dict[str, LiveProduct]:
    """The records of a product, by environment, after it was retired."""
    return {environment: retired(product, sequence) or product for environment, product in known.items()}


def starts_on_compile(before: LiveProduct | None, after: LiveProduct) -> bool:
    """Whether a compile trigger asks for a run of what becomes live: of another artifact than the one before."""
    if before is not None and not before.retired and before.artifact_digest == after.artifact_digest:
        return False
    return any(
        trigger.type == "compile" and (not trigger.environments or after.environment in trigger.environments)
        for trigger in after.triggers
    )


def _same_clock(before: LiveProduct, after: LiveProduct) -> bool:
    if before.schedule is None or after.schedule is None:
        return False
    return all(
        getattr(before.schedule, name) == getattr(after.schedule, name) for name in ("cron", "timezone", "enabled")
    )


def _origin(source: SourceReference | None) -> tuple[str, str] | None:
    return None if source is None or not source.ref else (source.repository, full_ref(source.ref))
