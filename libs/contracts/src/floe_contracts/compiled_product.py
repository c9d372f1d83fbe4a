"""What the artifact says of the product itself, for every environment alike: when it runs, how, and whom it serves.

The same facts as in `floe.yaml`, checked and with its defaults written out, in the form of everything that crosses the
bus: snake_case, strict for the writer, tolerant for the reader.
"""

from __future__ import annotations

from pydantic import Field

from floe_contracts.events import Data
from floe_contracts.nodes import QualityCheck


class CompiledPythonTransform(Data):
    """A Python module that builds one table."""

    name: str = Field(description="Name of the table.")
    module: str = Field(description="The module, from the bundle's top.")
    tier: str | None = Field(default=None, description="bronze, silver or gold")
    tags: tuple[str, ...] = Field(default=(), description="Tags of the table.")
    depends_on: tuple[str, ...] = Field(default=(), description="Models and Python transforms that it reads.")
    compute: str | None = Field(default=None, description="Logical name of another compute for it.")
    quality_checks: tuple[QualityCheck, ...] = Field(default=(), description="What must hold of its rows.")


class CompiledSchedule(Data):
    """A run at every tick of a clock."""

    cron: str = Field(description="Five fields.")
    timezone: str = Field(description="IANA name of the time zone.")
    enabled: bool = Field(description="Whether it ticks.")
    catch_up: str = Field(default="latest", description="What becomes of ticks that were missed: none, latest or all.")


class CompiledTrigger(Data):
    """Something that starts a run."""

    type: str = Field(description="compile, event or manual")
    environments: tuple[str, ...] = Field(default=(), description="Of a compile trigger: only in these.")
    event: str | None = Field(default=None, description="Of an event trigger: run.completed or table.committed.")
    product: str | None = Field(default=None, description="Of an event trigger: the other product.")
    table: str | None = Field(default=None, description="Of an event trigger: only this table.")


class CompiledPartitions(Data):
    """The parts in which the product is built."""

    type: str = Field(description="hourly, daily, weekly, monthly, static or dynamic")
    start: str | None = Field(default=None, description="Of a time partition: the first day, ISO 8601.")
    end: str | None = Field(default=None, description="Of a time partition: the last day, ISO 8601.")
    timezone: str | None = Field(default=None, description="Of a time partition: IANA name of its time zone.")
    keys: tuple[str, ...] = Field(default=(), description="Of static partitions: their names.")
    name: str | None = Field(default=None, description="Of dynamic partitions: name of the set.")


class CompiledRetries(Data):
    """What happens after a run that failed for a reason that may pass."""

    max_attempts: int = Field(default=3, description="Attempts in all.")
    delay_seconds: int = Field(default=30, description="Wait before the second.")
    backoff: str = Field(default="exponential", description="constant or exponential")


class CompiledConcurrency(Data):
    """What happens to a run that is asked for while another one works."""

    queue: str = Field(default="queue", description="queue, replace or reject")
    partitions: int = Field(default=1, description="Partitions that a backfill builds at the same time.")


class CompiledOrchestration(Data):
    """How the product's runs go."""

    partitions: CompiledPartitions | None = None
    retries: CompiledRetries = CompiledRetries()
    timeout_seconds: int | None = Field(default=None, description="A run that takes longer is ended.")
    concurrency: CompiledConcurrency = CompiledConcurrency()


class CompiledPortColumn(Data):
    """A column that an output port promises."""

    name: str = Field(description="Name of the column.")
    type: str = Field(description="Its type, as the reader sees it.")
    required: bool = Field(description="Whether it always has a value.")
    description: str = Field(default="", description="What it holds.")


class CompiledOutputPort(Data):
    """A table that others may build on."""

    name: str = Field(description="Name of the port.")
    model: str = Field(description="The model or Python transform behind it.")
    description: str = Field(default="", description="What it offers.")
    columns: tuple[CompiledPortColumn, ...] = Field(default=(), description="The columns that it promises.")
    contract: str | None = Field(default=None, description="File of its data contract in the bundle.")


class CompiledDestination(Data):
    """A place outside that tables are sent to."""

    name: str = Field(description="Name of the destination.")
    type: str = Field(description="Kind of sink.")
    models: tuple[str, ...] = Field(description="What is sent.")
    options: dict[str, str] = Field(default={}, description="Settings of the sink.")
    secret_ref: str | None = Field(default=None, description="Name of the secret that opens it.")


class CompiledObservability(Data):
    """What the product's runs tell."""

    traces: bool = Field(default=True, description="Whether runs are traced.")
    metrics: bool = Field(default=True, description="Whether runs are measured.")
    lineage: bool = Field(default=True, description="Whether runs tell OpenLineage.")
    attributes: dict[str, str] = Field(default={}, description="Put on every span, the platform's among them.")


class CompiledPreAggregations(Data):
    """How Cube keeps its pre-aggregations fresh."""

    refresh_schedule: str = Field(description="When they are built again, as cron.")
    timezone: str = Field(description="IANA name of the time zone of the schedule.")
    external: bool = Field(description="Whether they stand in Cube Store instead of the warehouse.")
