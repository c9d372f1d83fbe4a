"""What is served by Cube, folded from events: for `floe status`, which asks no service. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from floe_contracts.digests import short
from floe_contracts.events import (
    Event,
    SemanticFailed,
    SemanticRendered,
    SemanticSynced,
    SemanticSyncFailed,
    SemanticWithdrawn,
)

Status: TypeAlias = Literal["rendered", "failed", "served", "refused", "withdrawn"]


@dataclass(frozen=True, slots=True)
class ServedState:
    """The last that was told of a product in an environment.

    Attributes:
        product: its name.
        environment: where.
        status: rendered, and no Cube has answered with it yet; failed, it could not be rendered; served; refused by
            Cube; withdrawn.
        bundle_digest: the bundle that the status speaks of; None where there is none.
        reason: why it failed or is refused.
    """

    product: str
    environment: str
    status: Status
    bundle_digest: str | None = None
    reason: str | None = None

    def to_document(self) -> dict[str, str | None]:
        """The state as JSON values."""
        return asdict(self)

    def in_words(self) -> str:
        """The state as a line."""
        bundle = f"bundle {short(self.bundle_digest)}" if self.bundle_digest else "no bundle"
        told = {
            "rendered": f"{bundle}, no Cube has answered with it yet",
            "failed": f"cannot be rendered: {self.reason}",
            "served": f"{bundle}, served by Cube",
            "refused": f"{bundle}, refused by Cube: {self.reason}",
            "withdrawn": "withdrawn",
        }
        return told[self.status]


Served: TypeAlias = Mapping[tuple[str, str], ServedState]
"""By product and environment."""


def after(served: Served, event: Event) -> Served:
    """What is served after an event; those that do not speak of what Cube is to serve change nothing."""
    match event:
        case SemanticRendered(live=False) | SemanticFailed(live=False):
            return served
        case SemanticRendered():
            before = served.get((event.product, event.environment))
            known = before is not None and (before.status, before.bundle_digest) == ("served", event.bundle_digest)
            return served if known else _with(served, event, "rendered", event.bundle_digest)
        case SemanticFailed():
            return _with(served, event, "failed", None, _reason(event))
        case SemanticSynced():
            return _with(served, event, "served", event.bundle_digest)
        case SemanticSyncFailed():
            return _with(served, event, "refused", event.bundle_digest, _reason(event))
        case SemanticWithdrawn():
            return _with(served, event, "withdrawn", event.bundle_digest)
        case _:
            return served


def _with(
    served: Served,
    event: SemanticRendered | SemanticFailed | SemanticSynced | SemanticSyncFailed | SemanticWithdrawn,
    status: Status,
    bundle_digest: str | None,
    reason: str | None = None,
) -> Served:
    state = ServedState(event.product, event.environment, status, bundle_digest, reason)
    return {**served, (event.product, event.environment): state}


def _reason(event: SemanticFailed | SemanticSyncFailed) -> str:
    return "; ".join(problem.message for problem in event.problems)
