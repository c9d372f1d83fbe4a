"""FloeSpec: what a data engineer writes in `floe.yaml`. It names logical profiles, never endpoints or secrets."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from floe_contracts.sections import InnerPath, ProductName, ProfileName, Section, Semver

LandedKind = Literal["table", "incremental", "snapshot", "seed"]


class Metadata(Section):
    """Who and what a product is."""

    name: ProductName = Field(description="The product's name; unique within a tenant.")
    version: Semver = Field(description="Semantic version of what the product promises to its readers.")
    description: Annotated[str, StringConstraints(max_length=500)] = Field(
        default="", description="What it is, in a sentence."
    )
    owner: str = Field(description="Whom to ask.")
    labels: dict[str, str] = Field(default={}, description="Free labels; they travel with the artifact.")


class DbtTransform(Section):
    """A dbt project."""

    type: Literal["dbt"] = Field(description="The kind of transform.")
    path: InnerPath = Field(description="Folder of dbt_project.yml, from the product's folder.")


class Landing(Section):
    """Which dbt nodes land as Iceberg tables."""

    select: tuple[LandedKind, ...] = Field(
        default=("table", "incremental", "snapshot", "seed"),
        description="Materialisations that land; views never do.",
    )


class CubeConsumption(Section):
    """Serving through Cube."""

    enabled: bool = Field(default=True, description="Whether Cube serves the models that say `expose: true`.")


class Consumption(Section):
    """How the tables are served."""

    cube: CubeConsumption = CubeConsumption()


class RowOwner(Section):
    """Which rows a user of Cube sees: those whose column equals the user's claim."""

    column: str = Field(description="Column of the served models that names the owner of a row.")
    claim: str = Field(description="Claim of the user's token that must equal it.")


class Governance(Section):
    """Rules that the product sets for its own data."""

    row_owner: RowOwner | None = None


class FloeSpec(Section):
    """One product."""

    api_version: Literal["floe.dev/v1"] = Field(description="Version of this document's form.")
    kind: Literal["FloeSpec"] = Field(description="Kind of this document.")
    metadata: Metadata
    compute: ProfileName = Field(default="default", description="Logical name; platform.yaml resolves it.")
    storage: ProfileName = Field(default="default", description="Logical name; platform.yaml resolves it.")
    catalog: ProfileName = Field(default="default", description="Logical name; platform.yaml resolves it.")
    transforms: tuple[DbtTransform, ...] = Field(
        min_length=1, max_length=1, description="What builds the tables: one dbt project."
    )
    landing: Landing = Landing()
    consumption: Consumption = Consumption()
    governance: Governance = Governance()
