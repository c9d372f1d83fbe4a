"""What `FloeSpec` and `Manifest` may say in the form with plugins: every field, as it was checked there."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic.alias_generators import to_camel

from floe_contracts.sections import PRODUCT_PATTERN, SECRET_PATTERN

_Semver = Annotated[str, StringConstraints(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
_ModelName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$", max_length=128)]
_SecretName = Annotated[str, StringConstraints(pattern=SECRET_PATTERN)]
_Text = Annotated[str, StringConstraints(min_length=1)]
_Description = Annotated[str, StringConstraints(max_length=500)]
_Level = Literal["off", "warn", "strict"]
_Percent = Annotated[int, Field(ge=0, le=100)]
RESERVED_NAMES = frozenset({"default", "system", "floe", "admin", "root"})
"""Names that no manifest could have."""


class Named(BaseModel):
    """A section of a `FloeSpec` of this form: camelCase or snake_case, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True)


class Plain(BaseModel):
    """A section of a manifest: snake_case, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Open(BaseModel):
    """A section of a manifest that may say more than is known."""

    model_config = ConfigDict(frozen=True, extra="allow")


class NamedMetadata(Named):
    """Who and what a product is."""

    name: Annotated[str, StringConstraints(pattern=PRODUCT_PATTERN)]
    version: _Semver
    description: _Description | None = None
    owner: _Text | None = None
    labels: dict[str, str] | None = None


class NamedPlatform(Named):
    """The platform of a product."""

    manifest: _Text


class NamedCheck(Named):
    """A quality check."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=None)

    name: _Text
    type: _Text
    column: str | None = None
    dimension: Literal["completeness", "accuracy", "validity", "consistency", "timeliness"]
    severity: Literal["critical", "warning", "info"] | None = None
    custom_weight: Annotated[float, Field(ge=0.1, le=10)] | None = None
    parameters: dict[str, Any] | None = None
    enabled: bool = True


class NamedTransform(Named):
    """A model of the dbt project."""

    name: _ModelName
    compute: str | None = None
    tags: list[str] | None = None
    depends_on: list[str] | None = None
    tier: Literal["bronze", "silver", "gold"] | None = None
    quality_checks: list[NamedCheck] | None = None


class NamedSchedule(Named):
    """When a product is built."""

    cron: str | None = None
    timezone: str | None = None
    enabled: bool | None = None


class NamedColumn(Named):
    """A column of an output port."""

    name: _ModelName
    type: str
    description: _Description | None = None
    required: bool | None = None
    primary_key: bool | None = None
    classification: str | None = None


class NamedPort(Named):
    """An output port."""

    name: _ModelName
    description: _Description | None = None
    owner: _Text | None = None
    columns: Annotated[list[NamedColumn], Field(alias="schema", min_length=1)]


class NamedDestination(Named):
    """A place that a table is sent to."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=None)

    name: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    sink_type: _Text
    connection_secret_ref: _SecretName
    source_table: str | None = None
    config: dict[str, Any] | None = None
    field_mapping: dict[str, str] | None = None
    batch_size: Annotated[int, Field(ge=1)] | None = None


class NamedSpec(Named):
    """A floe.yaml that lists the models of one dbt project."""

    api_version: Literal["floe.dev/v1"]
    kind: Literal["FloeSpec"]
    metadata: NamedMetadata
    platform: NamedPlatform | None = None
    transforms: Annotated[list[NamedTransform], Field(min_length=1)]
    schedule: NamedSchedule | None = None
    output_ports: list[NamedPort] | None = None
    destinations: list[NamedDestination] | None = None


class ManifestMetadata(Plain):
    """Who owns a platform."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    version: _Semver
    owner: _Text
    description: _Description | None = None

    @field_validator("name")
    @classmethod
    def _free(cls, name: str) -> str:
        if name in RESERVED_NAMES:
            raise ValueError(f"the name {name!r} is reserved")
        return name


class Plugin(Plain):
    """A choice for one capability of a platform."""

    type: _Text
    version: _Semver | None = None
    config: dict[str, Any] | None = None
    connection_secret_ref: _SecretName | None = None


class Plugins(Plain):
    """What a platform is made of."""

    compute: Plugin | None = None
    orchestrator: Plugin | None = None
    catalog: Plugin | None = None
    storage: Plugin | None = None
    semantic_layer: Plugin | None = None
    ingestion: Plugin | None = None
    secrets: Plugin | None = None
    telemetry_backend: Plugin | None = None
    lineage_backend: Plugin | None = None
    identity: Plugin | None = None
    dbt: Plugin | None = None
    quality: dict[str, Any] | None = None


class ManifestNaming(Plain):
    """How models are named."""

    enforcement: _Level = "warn"
    pattern: Literal["medallion", "kimball", "custom"] = "medallion"
    custom_patterns: list[str] | None = None


class LayerThresholds(Plain):
    """Test coverage by tier."""

    bronze: _Percent | None = None
    silver: _Percent | None = None
    gold: _Percent | None = None


class ManifestGates(Plain):
    """Quality that models must have."""

    minimum_test_coverage: _Percent | None = None
    require_descriptions: bool = False
    require_column_descriptions: bool = False
    block_on_failure: bool = True
    layer_thresholds: LayerThresholds | None = None
    zero_column_coverage_behavior: Literal["report_100_percent", "report_na"] | None = None


class ManifestRule(Plain):
    """A rule of the platform's own."""

    type: Literal["require_tags_for_prefix", "require_meta_field", "require_tests_of_type"]
    prefix: str | None = None
    required_tags: list[str] | None = None
    field: str | None = None
    required: bool | None = None
    test_types: list[str] | None = None
    min_columns: int | None = None
    applies_to: str | None = None


class ManifestGovernance(Plain):
    """Rules of a platform."""

    pii_encryption: Literal["required", "optional"] | None = None
    audit_logging: Literal["enabled", "disabled"] | None = None
    policy_enforcement_level: _Level | None = None
    data_retention_days: Annotated[int, Field(ge=1)] | None = None
    default_ttl_hours: Annotated[int, Field(ge=1)] | None = None
    snapshot_keep_last: Annotated[int, Field(ge=1)] | None = None
    stale_table_recovery_mode: str | None = None
    naming: ManifestNaming | None = None
    quality_gates: ManifestGates | None = None
    custom_rules: list[ManifestRule] | None = None
    policy_overrides: list[dict[str, Any]] | None = None
    data_contracts: dict[str, Any] | None = None
    rbac: dict[str, Any] | None = None
    secret_scanning: dict[str, Any] | None = None
    network_policies: dict[str, Any] | None = None
    policies: list[dict[str, Any]] | None = None


class ManifestTracing(Open):
    """Where traces go."""

    enabled: bool = True
    exporter: str | None = None
    endpoint: str | None = None


class ManifestLineage(Open):
    """Where lineage goes."""

    enabled: bool = True
    transport: str | None = None
    endpoint: str | None = None


class ManifestLogging(Open):
    """What is logged."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] | None = None
    format: str | None = None


class ManifestObservability(Open):
    """What a platform tells."""

    tracing: ManifestTracing | None = None
    lineage: ManifestLineage | None = None
    logging: ManifestLogging | None = None


class Manifest(Open):
    """A manifest.yaml."""

    model_config = ConfigDict(frozen=True, extra="allow", validate_by_name=True)

    api_version: Literal["floe.dev/v1"] = Field(alias="apiVersion")
    kind: Literal["Manifest"]
    metadata: ManifestMetadata
    scope: Literal["enterprise", "domain"] | None = None
    parent_manifest: str | None = None
    plugins: Plugins
    governance: ManifestGovernance | None = None
    approved_plugins: dict[str, list[str]] | None = None
    approved_sinks: list[str] | None = None
    approved_products: list[str] | None = None
    defaults: dict[str, Any] | None = None
    artifacts: dict[str, Any] | None = None
    observability: ManifestObservability | None = None
    resource_presets: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _parent_by_scope(self) -> Self:
        if (self.scope == "domain") != (self.parent_manifest is not None):
            raise ValueError("parent_manifest and scope domain go together")
        return self
