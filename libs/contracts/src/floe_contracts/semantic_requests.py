"""What the semantic service can be asked (see `floe_contracts.requests`), and what it answers.

A bundle is named by its digest, by any start of it of at least six characters that names no other, or as `previous`:
the one that was served before.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from pydantic import Field

from floe_contracts.data import Data
from floe_contracts.events.scopes import Problem
from floe_contracts.events.semantic import GateOutcome
from floe_contracts.requests import Answer, Operation, Request
from floe_contracts.semantic_states import CubeInstance, OfferedBundle

PREVIOUS: Final = "previous"
"""Stands for the bundle that was served before."""
_SERVICE: Final = "semantic"
_PRODUCT: Final = "The product; left out, the only one that is served in the environment."

SyncStatus: TypeAlias = Literal["in_sync", "pending", "failed", "pinned", "withdrawn"]
"""in_sync: every Cube that was heard of within a minute serves what the newest artifact wants. pending: one of them
does not yet, or none was heard of. failed: it could not be rendered, or Cube refuses it. pinned: somebody rolled
back. withdrawn: nothing is served any more."""


class ListServed(Request):
    """What is wanted, offered and served."""

    product: str | None = Field(default=None, description="Only of this product; left out, of all in the environment.")


class ServedProduct(Data):
    """A product, and whether Cube serves what its newest artifact wants."""

    product: str = Field(description="Name of the product.")
    status: SyncStatus = Field(description="Whether it is in sync.")
    artifact_digest: str | None = Field(default=None, description="The newest artifact.")
    wanted: OfferedBundle | None = Field(default=None, description="What Cube is to serve.")
    offered: OfferedBundle | None = Field(default=None, description="What Cube is given.")
    served: OfferedBundle | None = Field(default=None, description="What Cube has answered with last.")
    history: tuple[OfferedBundle, ...] = Field(default=(), description="Bundles to go back to, the newest first.")
    instances: tuple[CubeInstance, ...] = Field(default=(), description="The Cubes that run.")
    problems: tuple[Problem, ...] = Field(default=(), description="Why what is wanted is not served.")


class ServedList(Answer):
    """The products, by name."""

    products: tuple[ServedProduct, ...] = Field(description="All of them.")


class ReadBundle(Request):
    """The files of a bundle."""

    product: str | None = Field(default=None, description=_PRODUCT)
    bundle: str | None = Field(
        default=None, description="Digest of a bundle, the start of one, or previous; left out, what is served."
    )


class BundleFile(Data):
    """A file of a bundle."""

    path: str = Field(description="Its path in the bundle.")
    digest: str = Field(description="Digest of its text, under which the blob store has it.")


class BundleFiles(Answer):
    """The files of a bundle; their texts are in the blob store."""

    product: str = Field(description="Whose bundle it is.")
    bundle_digest: str = Field(description="Its digest.")
    artifact_digest: str | None = Field(default=None, description="The artifact that it was rendered from, if known.")
    files: tuple[BundleFile, ...] = Field(description="The files, by path.")


class RollBackBundle(Request):
    """Have Cube serve a former bundle, until it is told to follow the artifacts again."""

    product: str | None = Field(default=None, description=_PRODUCT)
    to: str = Field(default=PREVIOUS, min_length=1, description="Digest of a bundle, the start of one, or previous.")
    requester: str = Field(description="Who asks.")


class SyncBundle(Request):
    """Render the newest artifact again and offer it to Cube; a rollback ends with it."""

    product: str | None = Field(default=None, description=_PRODUCT)
    requester: str = Field(description="Who asks.")


class BundleOffered(Answer):
    """What Cube is given now; whether it serves it is told by `semantic.synced` or `semantic.sync-failed`."""

    product: str = Field(description="Name of the product.")
    offered: OfferedBundle = Field(description="The bundle.")
    changed: bool = Field(description="Whether Cube was given another one before.")


class RenderBundle(Request):
    """Render an artifact, to look at it: nothing is offered to Cube, and nothing is announced."""

    artifact_digest: str = Field(description="The artifact; the blob store has it. A plan's is as good as any.")


class BundleRendered(Answer):
    """What Cube would be given for an artifact in an environment."""

    product: str = Field(description="Whose artifact it is.")
    artifact_digest: str = Field(description="The artifact.")
    bundle_digest: str = Field(description="Digest of the bundle.")
    cubes: tuple[str, ...] = Field(description="Names of the cubes.")
    views: tuple[str, ...] = Field(description="Names of the views.")
    skipped: tuple[str, ...] = Field(description="What could not be said in Cube, and why; one sentence each.")
    gate: GateOutcome = Field(
        default="not_run", description="Whether Cube's own compiler took the bundle, or none was there to ask."
    )
    files: tuple[BundleFile, ...] = Field(description="The files, by path; their texts are in the blob store.")


LIST_SERVED: Final = Operation(_SERVICE, "list-served", ListServed, ServedList)
READ_BUNDLE: Final = Operation(_SERVICE, "read-bundle", ReadBundle, BundleFiles)
ROLL_BACK_BUNDLE: Final = Operation(_SERVICE, "roll-back-bundle", RollBackBundle, BundleOffered)
SYNC_BUNDLE: Final = Operation(_SERVICE, "sync-bundle", SyncBundle, BundleOffered)
RENDER_BUNDLE: Final = Operation(_SERVICE, "render-bundle", RenderBundle, BundleRendered)

OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    LIST_SERVED,
    READ_BUNDLE,
    ROLL_BACK_BUNDLE,
    SYNC_BUNDLE,
    RENDER_BUNDLE,
)
"""All that the semantic service can be asked."""
