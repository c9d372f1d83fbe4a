from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile

import pytest
from cronsim import CronSimError

from floe_contracts.compiled_product import CompiledSchedule
from floe_contracts.schedule_ticks import next_tick, ticks_after

SINCE = datetime(2026, 1, 1, 12, tzinfo=UTC)


def schedule(cron: str, timezone: str = "UTC") -> CompiledSchedule:
    return CompiledSchedule(cron=cron, timezone=timezone, enabled=True)


def ticks(clock: CompiledSchedule, begin: datetime, end: datetime) -> list[datetime]:
    return list(takewhile(lambda tick: tick <= end, ticks_after(clock, begin)))


def test_ticks_are_in_the_time_zone_of_the_schedule() -> None:
    berlin = schedule("0 6 * * *", "Europe/Berlin")
    assert next_tick(berlin, datetime(2026, 1, 10, tzinfo=UTC)) == datetime(2026, 1, 10, 5, tzinfo=UTC)
    assert next_tick(berlin, datetime(2026, 7, 10, tzinfo=UTC)) == datetime(2026, 7, 10, 4, tzinfo=UTC)
    assert next_tick(berlin, datetime(2026, 7, 10, 4, tzinfo=UTC)) == datetime(2026, 7, 11, 4, tzinfo=UTC)
    assert next_tick(berlin.model_copy(update={"enabled": False}), SINCE) is None


def test_a_time_that_summer_time_leaves_out_ticks_when_the_clock_changes() -> None:
    """On 2026-03-29 at 01:00 UTC it becomes 03:00 in Berlin; 02:30 does not exist there."""
    berlin = schedule("30 2 * * *", "Europe/Berlin")
    found = ticks(berlin, datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 3, 31, tzinfo=UTC))
    assert found == [
        datetime(2026, 3, 28, 1, 30, tzinfo=UTC),
        datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
        datetime(2026, 3, 30, 0, 30, tzinfo=UTC),
    ]


def test_a_time_that_comes_twice_ticks_once() -> None:
    """On 2026-10-25 at 01:00 UTC it becomes 02:00 in Berlin again."""
    berlin = schedule("30 2 * * *", "Europe/Berlin")
    found = ticks(berlin, datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 26, 12, tzinfo=UTC))
    assert found == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 26, 1, 30, tzinfo=UTC)]


def test_a_tick_every_hour_comes_in_the_doubled_hour_too() -> None:
    hourly = ticks(
        schedule("0 * * * *", "Europe/Berlin"), datetime(2026, 10, 24, tzinfo=UTC), datetime(2026, 10, 26, tzinfo=UTC)
    )
    assert {after - before for before, after in pairwise(hourly)} == {timedelta(hours=1)}


def test_what_is_no_schedule_is_refused() -> None:
    with pytest.raises(CronSimError):
        next_tick(schedule("@fortnightly"), SINCE)
    assert next_tick(schedule("0 0 30 2 *").model_copy(update={"enabled": False}), SINCE) is None
