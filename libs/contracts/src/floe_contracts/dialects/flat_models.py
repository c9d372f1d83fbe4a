"""What a flat `floe.yaml` and `platform.yaml` may say: every field of the forms 1.0 to 1.2, as it was checked."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from floe_contracts.sections import SECRET_PATTERN

_SecretName = Annotated[str, StringConstraints(pattern=SECRET_PATTERN)]
_ProfileName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z][a-zA-Z0-9_-]*$")]
_PipelineName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z][a-zA-Z0-9_-]{0,99}$")]


class Flat(BaseModel):
    """A section of a flat document: snake_case, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FlatSecret(Flat):
    """The name of a secret."""

    secret_ref: _SecretName


class FlatTransform(Flat):
    """A dbt project."""

    type: Literal["dbt"]
    path: str
    target: str | None = None


class FlatPreAggregations(Flat):
    """Freshness of Cube's pre-aggregations."""

    refresh_schedule: str | None = None
    timezone: str | None = None
    external: bool | None = None
    cube_store: dict[str, Any] | None = None
    export_bucket: dict[str, Any] | None = None


class FlatCubeSecurity(Flat):
    """Row-level security of Cube."""

    row_level: bool = True
    filter_column: str = "organization_id"


class FlatConsumption(Flat):
    """Serving through Cube."""

    enabled: bool = False
    port: int | None = None
    api_secret_ref: _SecretName | None = None
    database_type: str | None = None
    dev_mode: bool | None = None
    pre_aggregations: FlatPreAggregations | None = None
    security: FlatCubeSecurity | None = None


class FlatGovernance(Flat):
    """Classification and policies."""

    classification_source: Literal["dbt_meta", "external"] | None = None
    policies: dict[str, Any] | None = None
    emit_lineage: bool = True


class FlatSampling(Flat):
    """How many traces are kept."""

    sampling_type: Literal["always_on", "always_off", "probabilistic", "rate_limiting"] = "always_on"
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    rate_limit: int | None = None


class FlatTracing(Flat):
    """Tracing since 1.1."""

    sampling: FlatSampling | None = None
    exporters: dict[str, bool] | None = None


class FlatLogging(Flat):
    """Logging since 1.1."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] | None = None
    log_format: Literal["json", "text"] | None = None
    backends: dict[str, bool] | None = None


class FlatObservability(Flat):
    """What runs tell, in both documents."""

    traces: bool = True
    metrics: bool = True
    lineage: bool = True
    otlp_endpoint: str | None = None
    lineage_endpoint: str | None = None
    attributes: dict[str, str] | None = None
    tracing: FlatTracing | None = None
    metrics_config: dict[str, Any] | None = None
    logging: FlatLogging | None = None
    compute_logs: dict[str, Any] | None = None


class FlatSchedule(Flat):
    """A schedule of a job."""

    job: str
    cron_schedule: str
    timezone: str | None = None
    enabled: bool | None = None
    partition_selector: Literal["latest", "all"] | None = None
    description: str | None = None


class FlatOrchestration(Flat):
    """What Dagster was told."""

    asset_modules: list[str] | None = None
    dbt: dict[str, Any] | None = None
    partitions: dict[str, Any] | None = None
    assets: dict[str, Any] | None = None
    jobs: dict[str, Any] | None = None
    schedules: dict[str, FlatSchedule] | None = None
    sensors: dict[str, Any] | None = None
    backfills: dict[str, Any] | None = None


class FlatSpec(Flat):
    """A flat floe.yaml."""

    name: _PipelineName
    version: str
    storage: _ProfileName = "default"
    catalog: _ProfileName = "default"
    compute: _ProfileName = "default"
    transforms: list[FlatTransform] = []
    consumption: FlatConsumption = FlatConsumption()
    governance: FlatGovernance = FlatGovernance()
    observability: FlatObservability = FlatObservability()
    orchestration: FlatOrchestration | None = None
    service_account: _ProfileName | None = None
    principal_role: _ProfileName | None = None


class FlatCredentials(Flat):
    """How something is opened."""

    mode: Literal["static", "oauth2", "iam_role", "service_account"] = "static"
    client_id: str | FlatSecret | None = None
    client_secret: FlatSecret | None = None
    scope: str | None = None
    role_arn: str | None = None
    secret_ref: _SecretName | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        wanted = {"oauth2": ("client_id", "client_secret"), "iam_role": ("role_arn",)}.get(self.mode, ())
        if missing := [name for name in wanted if getattr(self, name) is None]:
            raise ValueError(f"credentials of mode {self.mode} need {' and '.join(missing)}")
        return self


class FlatStorage(Flat):
    """Where tables are stored."""

    type: Literal["s3", "gcs", "azure", "local"] = "s3"
    endpoint: str | FlatSecret | None = None
    region: str | None = None
    bucket: Annotated[str, Field(min_length=3, max_length=63)]
    path_style_access: bool | None = None
    credentials: FlatCredentials = FlatCredentials()


class FlatCatalog(Flat):
    """Where tables are registered."""

    type: Literal["polaris", "glue", "nessie", "rest", "hive"] = "polaris"
    uri: str | FlatSecret
    warehouse: Annotated[str, Field(min_length=1, max_length=255)]
    namespace: str | None = None
    credentials: FlatCredentials = FlatCredentials()
    access_delegation: Literal["vended-credentials", "remote-signing", "none"] | None = None
    token_refresh_enabled: bool | None = None
    properties: dict[str, str] | None = None


class FlatCompute(Flat):
    """Where tables are built."""

    type: Literal["duckdb", "snowflake", "bigquery", "redshift", "databricks", "postgres", "spark"] = "duckdb"
    properties: dict[str, Any] = {}
    credentials: FlatCredentials = FlatCredentials()


class FlatLayer(Flat):
    """A layer of a medallion, since 1.2."""

    name: str
    description: str | None = None
    storage_ref: str
    catalog_ref: str = "default"
    namespace: str
    retention_days: int | None = None
    properties: dict[str, str] | None = None


class FlatPlatform(Flat):
    """A flat platform.yaml."""

    version: Annotated[str, StringConstraints(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")] = "1.2.0"
    layers: dict[str, FlatLayer] = {}
    infrastructure: dict[str, Any] | None = None
    security: dict[str, Any] | None = None
    governance: dict[str, Any] | None = None
    storage: dict[_ProfileName, FlatStorage] = {}
    catalogs: dict[_ProfileName, FlatCatalog] = {}
    compute: dict[_ProfileName, FlatCompute] = {}
    observability: FlatObservability | None = None
