"""A ref that is looked at, and the events that speak of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date

from floe_compiler.core.git.changes import Retirement
from floe_compiler.core.rejections import told
from floe_compiler.core.stages import Stage
from floe_contracts.errors import FloeError
from floe_contracts.events import ArtifactRejected, ArtifactRetired, ProductEvent, SourceReference
from floe_contracts.repositories import Repository

Announce = Callable[[ProductEvent, str], Awaitable[None]]
"""Publishes an event under an id; returns when it is stored."""


@dataclass(frozen=True, slots=True)
class MovedRef:
    """The ref that is looked at, and where its events go."""

    tenant: str
    repository: Repository
    ref: str
    announce: Announce
    today: date

    def source(self, commit: str, folder: str) -> SourceReference:
        """Where the product in that folder of a commit comes from."""
        return SourceReference(repository=self.repository.url, ref=self.ref, commit=commit, folder=folder or None)

    def event_id(self, product: str, commit: str, revision: int, result: str) -> str:
        """The id of an event: the revision tells a commit that comes back from the time when it was there before."""
        return f"{product}:{self.ref}@{commit}.{revision}:{result}"

    def rejection(self, commit: str, folder: str, product: str, problems: Sequence[FloeError]) -> ArtifactRejected:
        """The refusal of the product in a folder before it is compiled."""
        return ArtifactRejected(
            tenant=self.tenant,
            product=product,
            submission=commit,
            source=self.source(commit, folder),
            stage=Stage.LOAD.value,
            problems=told(problems),
        )

    def retired(self, commit: str, retirement: Retirement) -> ArtifactRetired:
        """The end of a product that the ref does not have any more."""
        return ArtifactRetired(
            tenant=self.tenant,
            product=retirement.product.product,
            submission=commit,
            reason=retirement.reason.value,
            artifact_digest=retirement.product.artifact_digest,
            source=self.source(commit, retirement.product.folder),
        )
