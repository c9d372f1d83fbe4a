"""The plan: what an artifact would do if it took the place of another, and whom that would break.

It is data. The compiler builds it from two artifacts, events and blobs carry it, and renderers show it; what is shown
is what would be done.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field, JsonValue

from floe_contracts.data import Data, FirstMajor
from floe_contracts.digests import canonical_json

NodeChange = Literal["sql", "config", "contract", "upstream", "tests", "metadata", "moved"]
ImpactKind = Literal["table", "contract", "exposure", "cube", "classification", "version"]
Severity = Literal["breaking", "warning", "info"]

BUILDING: Final[frozenset[NodeChange]] = frozenset({"sql", "config", "contract", "upstream"})
"""The changes that make a node be built again; the others need no build."""


class PlannedNode(Data):
    """A node that is not as it was, or has to run again."""

    unique_id: str = Field(description="dbt's id.")
    name: str = Field(description="Name in the project.")
    resource_type: str = Field(description="dbt's kind of node.")
    action: Literal["added", "removed", "changed"] = Field(description="What became of it.")
    changes: tuple[NodeChange, ...] = Field(
        default=(),
        description="sql: code, data or macros. config: how and where it is built. contract: the columns that dbt "
        "enforces. upstream: something that it reads. tests: what is tested. metadata: documentation, tags and meta. "
        "moved: the file alone.",
    )
    runs: bool = Field(description="Whether it has to be built.")
    because: tuple[str, ...] = Field(
        default=(),
        description="Why it runs, where it did not change itself: the ids from a node that changed to this one.",
    )


class FieldChange(Data):
    """A field that differs; a side that is left out has no such field."""

    path: str = Field(description="Names from the document's root, joined by dots.")
    before: JsonValue = None
    after: JsonValue = None


class PlanCounts(Data):
    """How many nodes are in which state; sources are among them."""

    added: int = Field(default=0, description="Nodes that are new.")
    removed: int = Field(default=0, description="Nodes that are gone.")
    changed: int = Field(default=0, description="Nodes that changed themselves.")
    downstream: int = Field(default=0, description="Nodes that run for what they read alone.")
    unchanged: int = Field(default=0, description="Nodes that stay as they are.")
    runs: int = Field(default=0, description="Nodes that have to be built.")


class EnvironmentPlan(Data):
    """What happens in one environment."""

    presence: Literal["added", "removed", "kept"] = Field(description="What became of the environment itself.")
    counts: PlanCounts = PlanCounts()
    nodes: tuple[PlannedNode, ...] = Field(default=(), description="Every node that is not unchanged, by unique id.")
    omitted: int = Field(default=0, description="Nodes that are left out here; the whole plan has them.")
    tests: tuple[str, ...] = Field(
        default=(), description="Ids of the tests that changed or are new, on nodes that are not built."
    )
    dbt_selection: tuple[str, ...] | None = Field(
        default=None,
        description="What `dbt build --select` takes to build and test all of this; left out in a summary.",
    )
    platform: tuple[FieldChange, ...] = Field(
        default=(), description="What differs in the environment: profiles, policies, refs."
    )
    omitted_fields: int = Field(default=0, description="Of these, how many are left out here.")


class Impact(Data):
    """What a change means for those who read the product."""

    kind: ImpactKind = Field(description="What they rely on.")
    severity: Severity = Field(
        description="breaking: somebody's query, promise or permission fails. warning: look at it. info: good to know."
    )
    subject: str = Field(description="The table, column, exposure, member or contract.")
    message: str = Field(description="What becomes of it, in one sentence.")
    environments: tuple[str, ...] = Field(default=(), description="Where; none where it holds for the product.")


class Plan(Data):
    """What changes from one artifact to another."""

    version: FirstMajor = Field(default="1.0", description="Version of this document's form.")
    product: str = Field(description="Name of the product.")
    against: str | None = Field(
        default=None, description="Digest of the artifact compared with; none before the first."
    )
    artifact_digest: str = Field(description="Digest of the artifact that is planned.")
    fields: tuple[FieldChange, ...] = Field(
        default=(), description="What differs in the artifact outside of its environments."
    )
    omitted_fields: int = Field(default=0, description="Of these, how many are left out here.")
    environments: dict[str, EnvironmentPlan] = Field(description="By name of the environment.")
    impacts: tuple[Impact, ...] = Field(default=(), description="For whom it matters, the worst first.")
    omitted_impacts: int = Field(default=0, description="Impacts that are left out here; the whole plan has them.")

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs that floe knows of."""
        return not self.fields and not self.impacts and all(_is_empty(one) for one in self.environments.values())

    @property
    def is_summary(self) -> bool:
        """Whether this is a summary that leaves something out."""
        cut = any(one.dbt_selection is None for one in self.environments.values())
        return cut or self.omitted_impacts + self.omitted_fields > 0

    def count(self, severity: Severity) -> int:
        """How many impacts of that severity are listed here."""
        return sum(impact.severity == severity for impact in self.impacts)

    def to_bytes(self) -> bytes:
        """The bytes that are stored."""
        return canonical_json(self.model_dump(mode="json", exclude_none=True))


def _is_empty(environment: EnvironmentPlan) -> bool:
    return environment.presence == "kept" and not (
        environment.nodes or environment.omitted or environment.tests or environment.platform
    )
