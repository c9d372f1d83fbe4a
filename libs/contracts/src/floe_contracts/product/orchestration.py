"""How a product's runs go: in which parts, how often again, how long, how many at a time."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from floe_contracts.product.schedule import TimeZone
from floe_contracts.sections import Identifier, IsoDate, Section


class TimePartitions(Section):
    """A partition for every hour, day, week or month."""

    type: Literal["hourly", "daily", "weekly", "monthly"] = Field(description="The kind of partitions.")
    start: IsoDate = Field(description="The first day, as in 2026-01-01.")
    end: IsoDate | None = Field(default=None, description="The last day; left out, it goes on.")
    timezone: TimeZone = Field(default="UTC", description="IANA name of the time zone in which a day begins.")

    @model_validator(mode="after")
    def _goes_forward(self) -> Self:
        if self.end is not None and self.end < self.start:
            raise ValueError(f"it ends on {self.end}, before it starts on {self.start}")
        return self


class StaticPartitions(Section):
    """A fixed list of partitions."""

    type: Literal["static"] = Field(description="The kind of partitions.")
    keys: tuple[Annotated[str, Field(min_length=1, max_length=120)], ...] = Field(
        min_length=1, max_length=1000, description="Their names."
    )

    @model_validator(mode="after")
    def _unique(self) -> Self:
        twice = sorted(key for key, count in Counter(self.keys).items() if count > 1)
        if twice:
            raise ValueError(f"the partition {twice[0]!r} stands twice")
        return self


class DynamicPartitions(Section):
    """Partitions that come to be while the product lives."""

    type: Literal["dynamic"] = Field(description="The kind of partitions.")
    name: Identifier = Field(description="Name of the set.")


Partitions = Annotated[TimePartitions | StaticPartitions | DynamicPartitions, Field(discriminator="type")]


class Retries(Section):
    """What happens after a run that failed for a reason that may pass."""

    max_attempts: Annotated[int, Field(ge=1, le=20)] = Field(default=3, description="Attempts in all.")
    delay_seconds: Annotated[int, Field(ge=0, le=86_400)] = Field(default=30, description="Wait before the second.")
    backoff: Literal["constant", "exponential"] = Field(
        default="exponential", description="Whether the wait stays or doubles."
    )


class Concurrency(Section):
    """What happens to a run that is asked for while another one works."""

    queue: Literal["queue", "replace", "reject"] = Field(
        default="queue", description="queue: it waits. replace: it takes the place of those that wait. reject: refused."
    )
    partitions: Annotated[int, Field(ge=1, le=256)] = Field(
        default=1, description="Partitions that a backfill builds at the same time."
    )


class Orchestration(Section):
    """How the product's runs go."""

    partitions: Partitions | None = Field(default=None, description="The parts in which the product is built.")
    retries: Retries = Retries()
    timeout_seconds: Annotated[int, Field(ge=1, le=7 * 86_400)] | None = Field(
        default=None, description="A run that takes longer is ended."
    )
    concurrency: Concurrency = Concurrency()
