"""Which bundle Cube is to serve, and which it serves: the semantic service's memory.

It stands in the bucket `floe_semantic_states` under `<tenant>.<environment>.<product>`, each part escaped. The semantic
service alone writes it, by compare-and-set; anybody may read it. What a running Cube serves just now stands in the
bucket `floe_cube_instances` under the same key and `.<instance>`, and vanishes when that Cube is no longer heard of.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from floe_contracts.data import Data, FirstMajor
from floe_contracts.events.scopes import Problem, SourceReference
from floe_contracts.events.semantic import GateOutcome, SyncReason
from floe_contracts.openlineage.naming import Place
from floe_contracts.subjects import escape

KEPT_BUNDLES: Final = 10
"""Bundles that a product keeps to go back to."""


class OfferedBundle(Data):
    """A bundle, and where it came from."""

    bundle_digest: str = Field(description="Its digest.")
    artifact_digest: str = Field(description="The artifact that it was rendered from.")
    cause: str = Field(description="Id of the event or request that led to it.")
    reason: SyncReason = Field(description="What led to it.")
    offered_at: str = Field(description="When it was offered to Cube, ISO 8601.")
    gate: GateOutcome = Field(default="not_run", description="Whether Cube's own compiler took it before.")
    left_out: int = Field(default=0, description="How many things could not be said in Cube, or only in other words.")
    served_at: str | None = Field(default=None, description="When Cube first served it, ISO 8601.")


class UntoldOutcome(Data):
    """What became of an offer, decided but perhaps not announced yet.

    It stands in the state until its event is stored, so that a service that is killed in between announces it later,
    and nobody announces anything else.
    """

    id: str = Field(description="Id that its event has.")
    outcome: Literal["synced", "sync_failed", "withdrawn"] = Field(description="What is to be announced.")
    bundle: OfferedBundle | None = Field(default=None, description="The bundle that it is about.")
    other_bundle_digest: str | None = Field(
        default=None, description="What was served before; of a failure and a withdrawal: what was served until then."
    )
    problems: tuple[Problem, ...] = Field(default=(), description="Why it failed.")


class SemanticState(Data):
    """One product in one environment.

    A bundle is wanted as soon as it is rendered, offered until Cube has refused it, and served once Cube has answered
    with it. After a refusal the served one is offered again.
    """

    version: FirstMajor = Field(default="1.0", description="Version of this document's form.")
    tenant: str = Field(description="Whom the product belongs to.")
    environment: str = Field(description="Name of the environment.")
    product: str = Field(description="Name of the product.")
    artifact_digest: str | None = Field(
        default=None, description="The newest artifact; None once the product is withdrawn."
    )
    artifact_sequence: int = Field(default=0, description="Its number in the stream of artifacts: a newer one wins.")
    source: SourceReference | None = Field(default=None, description="Where the artifact came from.")
    unrendered: bool = Field(default=False, description="Whether it is still to be rendered, or tried again.")
    wanted: OfferedBundle | None = Field(default=None, description="What Cube is to serve.")
    offered: OfferedBundle | None = Field(default=None, description="What Cube is given.")
    served: OfferedBundle | None = Field(default=None, description="What Cube has answered with last.")
    pinned: bool = Field(
        default=False, description="Whether somebody rolled back, so that newer artifacts are rendered and wait."
    )
    history: tuple[OfferedBundle, ...] = Field(default=(), description="Bundles that were served, the newest first.")
    problems: tuple[Problem, ...] = Field(
        default=(), description="Why what is wanted is not served; those of one Cube alone name it in `path`."
    )
    untold: tuple[UntoldOutcome, ...] = Field(default=(), description="What is to be announced, the oldest first.")

    @property
    def place(self) -> Place:
        """Whose state it is."""
        return Place(self.tenant, self.environment, self.product)


class CubeInstance(Data):
    """A Cube that runs, as it last asked for its bundle."""

    version: FirstMajor = Field(default="1.0", description="Version of this document's form.")
    instance: str = Field(description="What it calls itself.")
    bundle_digest: str | None = Field(default=None, description="The bundle that it serves; None if it has none yet.")
    seen_at: str = Field(description="When it asked, ISO 8601.")


def semantic_state_key(place: Place) -> str:
    """The key of a product's state."""
    return ".".join(escape(name) for name in (place.tenant, place.environment, place.product))


def cube_instance_key(place: Place, instance: str) -> str:
    """The key of a running Cube."""
    return f"{semantic_state_key(place)}.{escape(instance)}"
