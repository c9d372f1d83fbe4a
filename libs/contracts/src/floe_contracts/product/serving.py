"""How the tables are served: through Cube, through output ports, to destinations."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from floe_contracts.product.schedule import Cron, TimeZone
from floe_contracts.secret_refs import SecretName
from floe_contracts.sections import Identifier, InnerPath, ProfileName, Section, Sentence


class PreAggregations(Section):
    """How Cube keeps its pre-aggregations fresh."""

    refresh_schedule: Cron = Field(
        default="*/30 * * * *",
        description="When they are built again, as cron. Cube has equal intervals only: of others the shortest holds.",
    )
    timezone: TimeZone = Field(default="UTC", description="IANA name of the time zone of the schedule.")
    external: bool = Field(default=True, description="Whether they stand in Cube Store instead of the warehouse.")


class CubeConsumption(Section):
    """Serving through Cube."""

    enabled: bool = Field(default=True, description="Whether Cube serves the models that say `expose: true`.")
    pre_aggregations: PreAggregations | None = Field(
        default=None,
        description="Cube keeps the saved queries of the dbt project computed, unless a policy hides a part of them "
        "from anybody. Left out, it keeps nothing.",
    )


class Consumption(Section):
    """How the tables are served."""

    cube: CubeConsumption = CubeConsumption()


class PortColumn(Section):
    """A column that an output port promises."""

    name: Identifier = Field(description="Name of the column.")
    type: str = Field(description="Its type, as the reader sees it.")
    required: bool = Field(default=False, description="Whether it always has a value.")
    description: Sentence = Field(default="", description="What it holds.")


class OutputPort(Section):
    """A table that others may build on."""

    name: ProfileName = Field(description="Name of the port, unique within the product.")
    model: Identifier | None = Field(default=None, description="The model behind it; left out, the one of that name.")
    description: Sentence = Field(default="", description="What it offers.")
    columns: tuple[PortColumn, ...] = Field(default=(), alias="schema", description="The columns that it promises.")
    contract: InnerPath | None = Field(default=None, description="File of its data contract (ODCS 3).")


class Destination(Section):
    """A place outside that the product's tables are sent to."""

    name: ProfileName = Field(description="Name of the destination, unique within the product.")
    type: ProfileName = Field(description="Kind of sink; the platform may allow only some.")
    models: tuple[Identifier, ...] = Field(min_length=1, description="What is sent.")
    options: dict[str, str] = Field(default={}, description="Settings of the sink.")
    secret_ref: SecretName | None = Field(default=None, description="Name of the secret that opens it.")


class ProductObservability(Section):
    """What the product's runs tell."""

    traces: bool = Field(default=True, description="Whether runs are traced.")
    metrics: bool = Field(default=True, description="Whether runs are measured.")
    lineage: bool = Field(default=True, description="Whether runs tell OpenLineage.")
    attributes: dict[str, str] = Field(default={}, description="Put on every span of the product.")


LandedKind = Literal["table", "incremental", "snapshot", "seed"]


class Landing(Section):
    """Which dbt nodes land as Iceberg tables."""

    select: tuple[LandedKind, ...] = Field(
        default=("table", "incremental", "snapshot", "seed"),
        description="Materialisations that land; views never do.",
    )
