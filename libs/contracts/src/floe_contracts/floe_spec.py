"""FloeSpec: what a data engineer writes in `floe.yaml`. It names logical profiles, never endpoints or secrets."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from floe_contracts.governance.rules import GovernanceRules
from floe_contracts.maintenance import Maintenance
from floe_contracts.product.orchestration import Orchestration
from floe_contracts.product.schedule import ManualTrigger, Schedule, Trigger
from floe_contracts.product.serving import Consumption, Destination, Landing, OutputPort, ProductObservability
from floe_contracts.product.transforms import DbtTransform, PythonTransform, Transform
from floe_contracts.sections import ProductName, ProfileName, RelativePath, Section, Semver, Sentence


class Metadata(Section):
    """Who and what a product is."""

    name: ProductName = Field(description="The product's name; unique within a tenant.")
    version: Semver = Field(description="Semantic version of what the product promises to its readers.")
    description: Sentence = Field(default="", description="What it is, in a sentence.")
    owner: str = Field(description="Whom to ask.")
    labels: dict[str, str] = Field(default={}, description="Free labels; they travel with the artifact.")


class PlatformReference(Section):
    """Which platform the product is written for."""

    name: ProfileName | None = Field(
        default=None, description="Name of the platform; compiling for another one is refused."
    )
    file: RelativePath | None = Field(
        default=None,
        description="platform.yaml, from the product's folder; left out, the one beside floe.yaml. "
        "An installation that has its own platform.yaml does not look here.",
    )


class RowOwner(Section):
    """Which rows a user of Cube sees: those whose column equals the user's claim."""

    column: str = Field(description="Column of the served models that names the owner of a row.")
    claim: str = Field(description="Claim of the user's token that must equal it.")


class Governance(Section):
    """Rules that the product sets for its own data."""

    row_owner: RowOwner | None = None
    rules: GovernanceRules = Field(
        default=GovernanceRules(), description="Beside those of the platform; where both speak, the stricter one holds."
    )


class FloeSpec(Section):
    """One product."""

    api_version: Literal["floe.dev/v1"] = Field(description="Version of this document's form.")
    kind: Literal["FloeSpec"] = Field(description="Kind of this document.")
    metadata: Metadata
    platform: PlatformReference = PlatformReference()
    compute: ProfileName = Field(default="default", description="Logical name; platform.yaml resolves it.")
    storage: ProfileName = Field(default="default", description="Logical name; platform.yaml resolves it.")
    catalog: ProfileName = Field(default="default", description="Logical name; platform.yaml resolves it.")
    transforms: tuple[Transform, ...] = Field(
        min_length=1, description="What builds the tables: one dbt project, and Python modules beside it."
    )
    schedule: Schedule | None = Field(
        default=None, description="A run at every tick of a clock, wherever the product is live."
    )
    triggers: tuple[Trigger, ...] = Field(
        default=(ManualTrigger(type="manual"),),
        description="What else starts a run. Asking for one is always possible.",
    )
    landing: Landing = Landing()
    maintenance: Maintenance = Field(
        default=Maintenance(), description="How tables are kept small; where it is silent, as platform.yaml says."
    )
    governance: Governance = Governance()
    consumption: Consumption = Consumption()
    observability: ProductObservability = Field(
        default=ProductObservability(),
        description="What runs tell.",
    )
    orchestration: Orchestration = Field(
        default=Orchestration(),
        description="How runs go: in which parts, how often again, how long, how many at a time.",
    )
    output_ports: tuple[OutputPort, ...] = Field(default=(), description="Tables that others may build on.")
    destinations: tuple[Destination, ...] = Field(
        default=(), description="Places that tables are sent to. Carried in the artifact; so far nothing sends."
    )

    @property
    def dbt(self) -> DbtTransform:
        """The dbt project; a document that was read has exactly one."""
        return next(transform for transform in self.transforms if isinstance(transform, DbtTransform))

    @property
    def python(self) -> tuple[PythonTransform, ...]:
        """The Python transforms."""
        return tuple(transform for transform in self.transforms if isinstance(transform, PythonTransform))
