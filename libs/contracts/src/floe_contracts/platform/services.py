"""What the services of a platform share: the bus, and where they tell what happens."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from floe_contracts.secret_refs import SecretName, SecretRef
from floe_contracts.sections import ProductName, ProfileName, Section


class BusReference(Section):
    """The bus of the platform."""

    servers: tuple[str, ...] = Field(min_length=1, description="Addresses, as in nats://bus:4222.")
    tenant: ProductName = Field(default="default", description="Whom the products of this platform belong to.")
    seed_ref: SecretName | None = Field(default=None, description="Name of the secret that holds the nkey seed.")


class LineageBackend(Section):
    """A receiver of OpenLineage."""

    type: ProfileName = Field(description="Kind of backend, as in http; plugins may bring more.")
    url: str | None = Field(default=None, description="Its address; most kinds have one.")
    api_key: SecretRef | None = Field(default=None, description="What opens it.")
    options: dict[str, str | SecretRef | tuple[str, ...]] = Field(
        default={}, description="What else this kind of backend can be told."
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
