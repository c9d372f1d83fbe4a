from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from floe_contracts.compiled_product import CompiledSchedule
from floe_contracts.digests import digest_of
from floe_contracts.live_products import LiveProduct
from floe_contracts.schedule_ticks import next_tick
from floe_executor.core.starts.ticks import MOST_MISSED, ON_TIME, due_ticks

SINCE = datetime(2026, 1, 1, 12, tzinfo=UTC)


def schedule(cron: str = "0 6 * * *", timezone: str = "UTC", *, catch_up: str = "latest") -> CompiledSchedule:
    return CompiledSchedule(cron=cron, timezone=timezone, enabled=True, catch_up=catch_up)


def live(clock: CompiledSchedule | None, *, last_tick: datetime | None = None, retired: bool = False) -> LiveProduct:
    return LiveProduct(
        tenant="default",
        environment="dev",
        product="shop",
        artifact_digest=digest_of(b"artifact"),
        sequence=1,
        since=SINCE.isoformat(),
        schedule=clock,
        last_tick=last_tick.isoformat() if last_tick else None,
        retired=retired,
    )


def ticks(clock: CompiledSchedule, begin: datetime, end: datetime) -> list[datetime]:
    found = []
    tick = next_tick(clock, begin)
    while tick is not None and tick <= end:
        found.append(tick)
        tick = next_tick(clock, tick)
    return found


@pytest.mark.parametrize(
    ("catch_up", "days"), [("none", []), ("latest", [4]), ("all", [2, 3, 4])], ids=["none", "latest", "all"]
)
def test_missed_ticks_are_caught_up_as_the_schedule_says(catch_up: str, days: list[int]) -> None:
    due = due_ticks(live(schedule(catch_up=catch_up)), datetime(2026, 1, 4, 9, tzinfo=UTC))
    assert list(due) == [datetime(2026, 1, day, 6, tzinfo=UTC) for day in days]


def test_a_missed_tick_is_left_out_and_one_on_time_is_not() -> None:
    product = live(schedule(catch_up="none"))
    tick = datetime(2026, 1, 5, 6, tzinfo=UTC)
    assert due_ticks(product, tick + ON_TIME) == ()
    assert due_ticks(product, tick + ON_TIME - timedelta(seconds=1)) == (tick,)


def test_no_tick_comes_twice_and_none_before_the_product_was_live() -> None:
    clock = schedule("*/10 * * * *", catch_up="all")
    assert due_ticks(live(clock), SINCE) == ()
    at = SINCE + timedelta(minutes=25)
    assert due_ticks(live(clock), at) == (SINCE + timedelta(minutes=10), SINCE + timedelta(minutes=20))
    assert due_ticks(live(clock, last_tick=SINCE + timedelta(minutes=10)), at) == (SINCE + timedelta(minutes=20),)
    assert due_ticks(live(clock, last_tick=SINCE + timedelta(minutes=20)), at) == ()
    assert due_ticks(live(clock, last_tick=SINCE - timedelta(days=9)), SINCE) == ()


@pytest.mark.parametrize("cron", ["* * * * *", "0 0 1 * *", "0 0 29 2 *"], ids=["minute", "month", "leap day"])
def test_no_more_than_a_hundred_are_caught_up_the_last_ones(cron: str) -> None:
    clock = schedule(cron, catch_up="all")
    at = SINCE + timedelta(days=365 * 12)
    every = ticks(clock, at - timedelta(days=5) if cron == "* * * * *" else SINCE, at)
    assert list(due_ticks(live(clock), at)) == every[-MOST_MISSED:]


def test_what_does_not_tick() -> None:
    at = SINCE + timedelta(days=3)
    assert due_ticks(live(None), at) == ()
    assert due_ticks(live(schedule(), retired=True), at) == ()
    assert due_ticks(live(schedule().model_copy(update={"enabled": False})), at) == ()
