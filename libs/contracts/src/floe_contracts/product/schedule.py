"""When a product is built: by the clock, by an event, by hand."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Literal, Self

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field, model_validator

from floe_contracts.sections import EnvironmentName, Identifier, ProductName, Section
from floe_contracts.suggestions import did_you_mean


def _cron(expression: str) -> str:
    if len(expression.split()) != 5:
        raise ValueError(f"{expression!r} is no cron expression: it has five fields, as in 0 6 * * *")
    try:
        next(CronSim(expression, datetime(2024, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as error:
        raise ValueError(f"{expression!r} is no cron expression: {error or 'it never comes'}") from None
    return expression


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _time_zone(name: str) -> str:
    if name not in _time_zones():
        raise ValueError(f"there is no time zone {name!r}{did_you_mean(name, _time_zones(), before='; ')}")
    return name


Cron = Annotated[str, AfterValidator(_cron)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]


class Schedule(Section):
    """A run at every tick of a clock, in every environment where the product is live."""

    cron: Cron = Field(description="Five fields: minute, hour, day of the month, month, day of the week.")
    timezone: TimeZone = Field(default="UTC", description="IANA name of the time zone that the fields are in.")
    enabled: bool = Field(default=True, description="Whether it ticks.")
    catch_up: Literal["none", "latest", "all"] = Field(
        default="latest",
        description="What becomes of ticks that passed while nothing could run. none: they are left out. latest: one "
        "run for the last of them. all: a run for each, the oldest first, a hundred at most.",
    )


class CompileTrigger(Section):
    """A run whenever a new artifact of the product was compiled."""

    type: Literal["compile"] = Field(description="The kind of trigger.")
    environments: tuple[EnvironmentName, ...] = Field(
        default=(), description="Only in these; left out, in every environment that the ref maps to."
    )


class EventTrigger(Section):
    """A run when something happened to another product, in the same environment."""

    type: Literal["event"] = Field(description="The kind of trigger.")
    event: Literal["run.completed", "table.committed"] = Field(description="What happened.")
    product: ProductName = Field(description="The other product.")
    table: Identifier | None = Field(default=None, description="Only this table of it; for table.committed.")

    @model_validator(mode="after")
    def _has_tables(self) -> Self:
        if self.table is not None and self.event != "table.committed":
            raise ValueError(f"{self.event} speaks of no table; a table goes with table.committed")
        return self


class ManualTrigger(Section):
    """A run when somebody asks for one; asking is always possible."""

    type: Literal["manual"] = Field(description="The kind of trigger.")


Trigger = Annotated[CompileTrigger | EventTrigger | ManualTrigger, Field(discriminator="type")]
