"""What the services of a platform share: the bus, and where they tell what happens."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints

from floe_contracts.secret_refs import SecretName, SecretRef
from floe_contracts.sections import IDENTIFIER_PATTERN, ProductName, ProfileName, Section


class BusReference(Section):
    """The bus of the platform."""

    servers: tuple[str, ...] = Field(min_length=1, description="Addresses, as in nats://bus:4222.")
    tenant: ProductName = Field(default="default", description="Whom the products of this platform belong to.")
    seed_ref: SecretName | None = Field(default=None, description="Name of the secret that holds the nkey seed.")


LineageEventType: TypeAlias = Literal["START", "RUNNING", "COMPLETE", "FAIL", "ABORT", "OTHER", "JOB", "DATASET"]
"""The type of an event of a run; JOB and DATASET of events without a run."""
FacetName = Annotated[str, StringConstraints(pattern=IDENTIFIER_PATTERN)]


class DroppedFacets(Section):
    """Facets that a backend does not get, by their keys."""

    run: tuple[FacetName, ...] = Field(default=(), description="Of runs.")
    job: tuple[FacetName, ...] = Field(default=(), description="Of jobs.")
    dataset: tuple[FacetName, ...] = Field(default=(), description="Of datasets, inputs and outputs alike.")
    input: tuple[FacetName, ...] = Field(default=(), description="The inputFacets of inputs.")
    output: tuple[FacetName, ...] = Field(default=(), description="The outputFacets of outputs.")


class LineageForwarding(Section):
    """How events are forwarded to a backend, whatever its kind."""

    event_types: tuple[LineageEventType, ...] | None = Field(
        default=None, min_length=1, description="The types of the events that it gets; left out, all."
    )
    job_events: Literal["as-they-are", "as-runs", "only-as-runs"] = Field(
        default="as-they-are",
        description="How it gets what floe found out after a run: as a job event, or for backends that make nothing of "
        "those as one more COMPLETE of the run; only-as-runs leaves all other job events out.",
    )
    drop_facets: DroppedFacets = Field(default=DroppedFacets(), description="Facets that it does not get.")
    rate: float | None = Field(default=None, gt=0, description="Events a second, at most; left out, all that it takes.")
    concurrency: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Requests at once, to a backend that takes events one by one and keeps no position; the events of "
        "one run keep their order.",
    )


class LineageBackend(Section):
    """A receiver of OpenLineage."""

    type: ProfileName = Field(description="Kind of backend, as in http; plugins may bring more.")
    url: str | None = Field(default=None, description="Its address; most kinds have one.")
    api_key: SecretRef | None = Field(default=None, description="What opens it.")
    options: dict[str, str | SecretRef | tuple[str, ...]] = Field(
        default={}, description="What else this kind of backend can be told."
    )
    forwarding: LineageForwarding = Field(
        default=LineageForwarding(), description="Which events it gets, and how fast; the same for every kind."
    )


class PlatformObservability(Section):
    """Where services and runs tell what happens."""

    otlp_endpoint: str | None = Field(
        default=None, description="Collector of OpenTelemetry; left out, nothing is sent."
    )
    sampling_ratio: Annotated[float, Field(ge=0, le=1)] = Field(default=1.0, description="Part of the traces kept.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged.")
    attributes: dict[str, str] = Field(default={}, description="Put on every span of the platform.")
    lineage: dict[ProfileName, LineageBackend] = Field(default={}, description="Receivers of OpenLineage, by name.")
