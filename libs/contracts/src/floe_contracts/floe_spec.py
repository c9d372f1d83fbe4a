"""FloeSpec: what a data engineer writes in `floe.yaml`. It names logical profiles, never endpoints or secrets."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

_PRODUCT_PATTERN: Final = r"^[a-z][a-z0-9-]{0,62}$"
_PROFILE_PATTERN: Final = r"^[a-zA-Z][a-zA-Z0-9_-]{0,62}$"
_SEMVER_PATTERN: Final = r"^[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$"
ENVIRONMENT_PATTERN: Final = r"^[a-z][a-z0-9-]{0,30}$"
MEMORY_PATTERN: Final = r"^[0-9]+(\.[0-9]+)?(MB|GB)$"
PATTERN_HINTS: Final[dict[str, str]] = {
    _PRODUCT_PATTERN: "lower-case letters, digits and hyphens, a letter first, at most 63",
    _PROFILE_PATTERN: "letters, digits, hyphens and underscores, a letter first, at most 63",
    _SEMVER_PATTERN: "three numbers, as in 1.0.0",
    ENVIRONMENT_PATTERN: "lower-case letters, digits and hyphens, a letter first, at most 31",
    MEMORY_PATTERN: "a number and MB or GB, as in 2GB",
}

ProductName = Annotated[str, StringConstraints(pattern=_PRODUCT_PATTERN)]
ProfileName = Annotated[str, StringConstraints(pattern=_PROFILE_PATTERN)]
Semver = Annotated[str, StringConstraints(pattern=_SEMVER_PATTERN)]
LandedKind = Literal["table", "incremental", "snapshot", "seed"]


def _inside(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path:
        raise ValueError("must be a path inside the product's folder, with forward slashes")
    return str(pure)


InnerPath = Annotated[str, AfterValidator(_inside)]


class Section(BaseModel):
    """A part of a document: frozen, camelCase when written, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=False)


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
