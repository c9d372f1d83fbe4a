"""The ticks of a schedule, as times in UTC.

A wall-clock time that a change to summer time leaves out ticks at the moment of the change; one that comes twice in
autumn ticks once, unless the cron expression ticks at every hour anyway (as cronsim and Debian's cron have it).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim

from floe_contracts.compiled_product import CompiledSchedule


def ticks_after(schedule: CompiledSchedule, time: datetime) -> Iterator[datetime]:
    """The ticks after a time; they end where none comes within the fifty years that cronsim looks ahead.

    Raises:
        CronSimError: the cron expression is none.
        ZoneInfoNotFoundError: there is no such time zone.
    """
    for tick in CronSim(schedule.cron, time.astimezone(ZoneInfo(schedule.timezone))):
        yield tick.astimezone(UTC)


def next_tick(schedule: CompiledSchedule, time: datetime) -> datetime | None:
    """The first tick after a time; None if there is none, or the schedule is disabled. Raises as `ticks_after`."""
    return next(ticks_after(schedule, time), None) if schedule.enabled else None
