"""What builds the tables: one dbt project, and Python modules beside it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from floe_contracts.sections import Identifier, InnerPath, ModuleName, ProfileName, Section

Tier = Literal["bronze", "silver", "gold"]
QualityDimension = Literal["accuracy", "completeness", "consistency", "timeliness", "uniqueness", "validity"]
QualitySeverity = Literal["critical", "warning", "info"]


class QualityCheck(Section):
    """Something that must hold of a model's rows."""

    name: Identifier = Field(description="Name of the check, unique within the model.")
    type: Identifier = Field(description="not_null, unique, accepted_values, or the name of a dbt test.")
    column: Identifier | None = Field(default=None, description="The column that it looks at.")
    dimension: QualityDimension | None = Field(default=None, description="What sort of quality it speaks of.")
    severity: QualitySeverity = Field(default="warning", description="How bad it is when it does not hold.")
    parameters: dict[str, str | tuple[str, ...]] = Field(default={}, description="Arguments of the test.")


class ModelAnnotation(Section):
    """What floe.yaml says of one model, beside what the dbt project says."""

    tier: Tier | None = Field(default=None, description="How refined its data is; rules may differ by tier.")
    tags: tuple[str, ...] = Field(default=(), description="Added to dbt's own tags.")
    depends_on: tuple[Identifier, ...] = Field(
        default=(), description="Models that it must be built from; compilation fails where dbt does not see it so."
    )
    compute: ProfileName | None = Field(default=None, description="Logical name of another compute for this model.")
    quality_checks: tuple[QualityCheck, ...] = Field(
        default=(), description="What must hold of its rows. Carried in the artifact; so far only dbt's own tests run."
    )


class DbtTransform(Section):
    """A dbt project."""

    type: Literal["dbt"] = Field(description="The kind of transform.")
    path: InnerPath = Field(description="Folder of dbt_project.yml, from the product's folder.")
    models: dict[Identifier, ModelAnnotation] = Field(default={}, description="Annotations of models, by name.")


class PythonTransform(Section):
    """A Python module that builds one table."""

    type: Literal["python"] = Field(description="The kind of transform.")
    name: Identifier = Field(description="Name of the table that it builds; no model may have the same.")
    module: ModuleName = Field(description="The module, from the product's folder.")
    tier: Tier | None = Field(default=None, description="How refined its data is; rules may differ by tier.")
    tags: tuple[str, ...] = Field(default=(), description="Tags of the table.")
    depends_on: tuple[Identifier, ...] = Field(default=(), description="Models and Python transforms that it reads.")
    compute: ProfileName | None = Field(default=None, description="Logical name of another compute for it.")
    quality_checks: tuple[QualityCheck, ...] = Field(default=(), description="What must hold of its rows.")


Transform = Annotated[DbtTransform | PythonTransform, Field(discriminator="type")]
