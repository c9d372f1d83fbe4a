"""Products that are submitted by hand, and the repositories that own their names."""

from __future__ import annotations

from floe_compiler.core.git.ports import Registry
from floe_compiler.core.git.products import owned_elsewhere
from floe_compiler.core.rejections import told
from floe_compiler.core.stages import Stage
from floe_contracts.events import ArtifactRejected, SourceReference, SpecSubmitted
from floe_contracts.repositories import RepositoryInvalid, read_repository


class Ownership:
    """Sees that a product is submitted only from the repository that its name belongs to.

    A name that nobody owns may be submitted from anywhere; one that says its repository takes the
    name for it as soon as it is compiled.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def refusal(self, submitted: SpecSubmitted) -> ArtifactRejected | None:
        """The rejection of a submission whose product belongs to another repository than it says."""
        owner = await self._registry.owner(submitted.tenant, submitted.product)
        if owner is None or owner == _repository(submitted.source):
            return None
        return _rejection(submitted, owner)

    async def take(self, submitted: SpecSubmitted) -> ArtifactRejected | None:
        """Take the name for the repository of a submission that has been compiled; what is refused takes none.

        Returns:
            The rejection, if another repository has taken the name meanwhile.
        """
        repository = _repository(submitted.source)
        if repository is None:
            return None
        owner = await self._registry.claim(submitted.tenant, submitted.product, repository)
        return None if owner == repository else _rejection(submitted, owner)


def _rejection(submitted: SpecSubmitted, owner: str) -> ArtifactRejected:
    return ArtifactRejected(
        tenant=submitted.tenant,
        product=submitted.product,
        submission=submitted.submission,
        source=submitted.source,
        stage=Stage.LOAD.value,
        problems=told([owned_elsewhere(submitted.product, owner)]),
        dry_run=submitted.dry_run,
    )


def _repository(source: SourceReference | None) -> str | None:
    """The name of the repository that a submission says to come from; an address is reduced to its name."""
    if source is None:
        return None
    try:
        return read_repository(source.repository).name
    except RepositoryInvalid:
        return source.repository.removesuffix(".git") or None
