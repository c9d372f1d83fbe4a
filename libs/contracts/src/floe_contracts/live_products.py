"""What is live: the artifact that was compiled last for each environment, and what starts its runs.

It stands in the bucket `floe_live_products` under `<tenant>.<environment>.<product>`. The executor writes it by
compare-and-set; anybody may read it.
"""

from __future__ import annotations

from pydantic import Field

from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.compiled_product import CompiledConcurrency, CompiledSchedule, CompiledTrigger
from floe_contracts.events import Data, FirstMajor, SourceReference
from floe_contracts.openlineage.naming import Place
from floe_contracts.repositories import environments_of, full_ref


class LiveProduct(Data):
    """A product that is live in an environment, or was until it was retired."""

    version: FirstMajor = Field(default="1.0", description="Version of this document's form.")
    tenant: str = Field(description="Whom the product belongs to.")
    environment: str = Field(description="Name of the environment.")
    product: str = Field(description="Name of the product.")
    artifact_digest: str = Field(description="Digest of the artifact that is live.")
    sequence: int = Field(description="Place of its event in FLOE_ARTIFACTS: an older event changes nothing.")
    since: str = Field(description="When it was announced, ISO 8601: ticks before it are not caught up.")
    source: SourceReference | None = Field(default=None, description="Where the artifact came from.")
    schedule: CompiledSchedule | None = Field(default=None, description="The clock of the product.")
    triggers: tuple[CompiledTrigger, ...] = Field(default=(), description="What else starts a run.")
    concurrency: CompiledConcurrency = CompiledConcurrency()
    last_tick: str | None = Field(default=None, description="The last tick that a run was asked for, ISO 8601.")
    retired: bool = Field(default=False, description="Whether the product is gone: nothing starts a run any more.")

    @property
    def place(self) -> Place:
        """Where it is live."""
        return Place(self.tenant, self.environment, self.product)


def live_environments(artifact: CompiledArtifacts, source: SourceReference | None) -> tuple[str, ...]:
    """Where an artifact becomes live: in the environments that its ref maps to; without a ref, in all that it has.

    Raises:
        RefInvalid: the ref is no name of a branch or a tag.
    """
    if source is None or not source.ref:
        return tuple(sorted(artifact.environments))
    refs = {name: environment.refs for name, environment in artifact.environments.items()}
    return environments_of(full_ref(source.ref), refs)
