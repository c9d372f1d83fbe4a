"""Products that are submitted by hand, and the repositories that own their names."""

from __future__ import annotations

from floe_compiler.core.git_ports import Registry
from floe_compiler.core.git_products import owned_elsewhere
from floe_compiler.core.stages import Stage
from floe_contracts.events import ArtifactRejected, Problem, SourceReference, SpecSubmitted
from floe_contracts.repositories import RepositoryInvalid, read_repository


class Ownership:
    """Sees that a product is submitted only from the repository that its name belongs to.

    A name that nobody owns may be submitted from anywhere; a submission that says its repository takes the name for it.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def refusal(self, submitted: SpecSubmitted) -> ArtifactRejected | None:
        """The rejection of a submission whose product belongs to another repository than it says."""
        repository = _repository(submitted.source)
        if repository is None or submitted.dry_run:
            owner = await self._registry.owner(submitted.tenant, submitted.product)
        else:
            owner = await self._registry.claim(submitted.tenant, submitted.product, repository)
        if owner is None or owner == repository:
            return None
        problem = Problem.of(owned_elsewhere(submitted.product, owner))
        return ArtifactRejected(
            tenant=submitted.tenant,
            product=submitted.product,
            submission=submitted.submission,
            source=submitted.source,
            stage=Stage.LOAD.value,
            problems=(problem,),
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
