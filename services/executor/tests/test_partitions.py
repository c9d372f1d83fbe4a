from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster
import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_contracts.compiled_product import CompiledPartitions
from floe_contracts.events import PartitionChoice
from floe_executor.core import partitions
from floe_executor.errors import BackfillRefused, PartitionUnknown

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
BERLIN = "Europe/Berlin"
DAYS = CompiledPartitions(type="daily", start="2026-11-01", timezone=BERLIN)
HOURS = CompiledPartitions(type="hourly", start="2026-10-01", timezone=BERLIN)
COUNTRIES = CompiledPartitions(type="static", keys=("de", "fr", "it"))
SET = CompiledPartitions(type="dynamic", name="tenants")


def times(kind: str, start: str = "2026-10-01", zone: str = BERLIN) -> CompiledPartitions:
    return CompiledPartitions(type=kind, start=start, timezone=zone)


@pytest.mark.parametrize(
    ("kind", "key", "start", "end"),
    [
        ("daily", "2026-11-19", "2026-11-19T00:00:00+01:00", "2026-11-20T00:00:00+01:00"),
        ("daily", "2026-10-25", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"),
        ("hourly", "2026-11-20-09:00", "2026-11-20T09:00:00+01:00", "2026-11-20T10:00:00+01:00"),
        ("hourly", "2026-10-25-02:00", "2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00"),
        ("hourly", "2026-10-25-02:00+0100", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"),
        ("weekly", "2026-11-16", "2026-11-16T00:00:00+01:00", "2026-11-23T00:00:00+01:00"),
        ("monthly", "2026-10-01", "2026-10-01T00:00:00+02:00", "2026-11-01T00:00:00+01:00"),
    ],
    ids=["day", "longer-day", "hour", "first-of-two-hours", "second-of-two-hours", "week", "month"],
)
def test_a_time_partition_covers_a_window_in_the_products_time_zone(kind: str, key: str, start: str, end: str) -> None:
    found = partitions.window(times(kind), key, NOW)
    assert found is not None
    assert (found.start.isoformat(), found.end.isoformat()) == (start, end)
    assert partitions.variables(times(kind), key, NOW) == {
        "floe_partition": key,
        "floe_partition_start": start,
        "floe_partition_end": end,
    }


def test_other_partitions_have_a_key_and_no_window() -> None:
    assert partitions.window(COUNTRIES, "fr", NOW) is None
    assert partitions.variables(SET, "acme corp", NOW) == {"floe_partition": "acme corp"}
    assert partitions.variables(DAYS, None, NOW) == {}


@pytest.mark.parametrize(
    ("definition", "key", "hint"),
    [
        (DAYS, "2026-10-20", "the nearest one is 2026-11-01"),
        (DAYS, "2027-01-01", "the nearest one is 2026-11-20"),
        (DAYS, "yesterday", "the nearest one is 2026-11-20"),
        (DAYS, "2026-11-19T00:00", "the nearest one is 2026-11-19"),
        (times("weekly"), "2026-11-18", "the nearest one is 2026-11-16"),
        (times("monthly"), "2026-11", "the nearest one is 2026-11-01"),
        (times("hourly"), "2026-11-19", "the nearest one is 2026-11-19-00:00"),
        (times("hourly", "2026-03-01"), "2026-03-29-02:00", "the nearest one is 2026-03-29-03:00"),
        (times("daily", "2027-01-01"), "2027-01-01", "the first one is 2027-01-01, and it has not begun"),
        (DAYS.model_copy(update={"end": "2026-11-10"}), "2026-11-12", "the nearest one is 2026-11-10"),
        (COUNTRIES, "dee", "did you mean 'de'?"),
        (COUNTRIES, "xx", "known are: de, fr, it"),
        (SET, " acme", "a key is 1 to 120 printable characters"),
        (SET, "", "a key is 1 to 120 printable characters"),
        (None, "2026-11-20", "declare them, or leave the partition out"),
    ],
    ids=str,
)
def test_an_unknown_key_is_refused_with_the_nearest_one(
    definition: CompiledPartitions | None, key: str, hint: str
) -> None:
    with pytest.raises(PartitionUnknown) as refused:
        partitions.check(definition, key, NOW)
    assert refused.value.hint == hint


def test_the_partition_of_a_tick_is_the_one_that_has_ended_last() -> None:
    midnight = datetime(2026, 11, 20, 0, 0, tzinfo=DAYS_ZONE)
    assert partitions.last_closed(DAYS, midnight) == "2026-11-19"
    assert partitions.last_closed(DAYS, midnight - timedelta(seconds=1)) == "2026-11-18"
    assert partitions.last_closed(times("monthly"), NOW) == "2026-10-01"
    assert partitions.last_closed(HOURS, datetime(2026, 10, 25, 1, 0, tzinfo=UTC)) == "2026-10-25-02:00"
    assert partitions.last_closed(times("daily", "2026-11-20"), NOW) is None
    assert partitions.last_closed(COUNTRIES, NOW) is None
    assert partitions.last_closed(None, NOW) is None


DAYS_ZONE = partitions.ZoneInfo(BERLIN)


def chosen(definition: CompiledPartitions | None, known: tuple[str, ...] = (), **choice: Any) -> tuple[str, ...]:
    return partitions.chosen(definition, PartitionChoice(**choice), NOW, known)


def test_a_choice_is_a_range_some_keys_or_all_of_them() -> None:
    assert chosen(DAYS, first="2026-11-17", last="2026-11-19") == ("2026-11-17", "2026-11-18", "2026-11-19")
    assert chosen(DAYS, first="2026-11-18") == ("2026-11-18", "2026-11-19"), "the day that goes on is not closed"
    assert len(chosen(DAYS)) == 19
    assert chosen(DAYS, keys=("2026-11-05", "2026-11-03", "2026-11-05")) == ("2026-11-05", "2026-11-03")
    assert chosen(HOURS, first="2026-10-25-01:00", last="2026-10-25-03:00") == (
        "2026-10-25-01:00",
        "2026-10-25-02:00",
        "2026-10-25-02:00+0100",
        "2026-10-25-03:00",
    )
    assert chosen(COUNTRIES) == COUNTRIES.keys
    assert chosen(COUNTRIES, first="fr") == ("fr", "it")
    assert chosen(SET, known=("a", "b")) == ("a", "b")
    assert chosen(SET, keys=("new",)) == ("new",)


@pytest.mark.parametrize(
    ("definition", "choice"),
    [
        (None, {}),
        (DAYS, {"first": "2026-11-19", "last": "2026-11-01"}),
        (times("daily", "2026-11-20"), {}),
        (times("hourly", "2020-01-01"), {}),
        (SET, {}),
        (SET, {"first": "a"}),
    ],
    ids=["no-partitions", "backwards", "none-has-ended", "too-many", "none-known", "no-order"],
)
def test_a_choice_of_no_partitions_or_too_many_is_refused(
    definition: CompiledPartitions | None, choice: dict[str, Any]
) -> None:
    with pytest.raises(BackfillRefused):
        chosen(definition, **choice)


def test_so_many_or_so_long_keys_that_their_results_find_no_room_are_refused() -> None:
    partitions.check_size([f"{number}" for number in range(partitions.MOST)])
    for keys in ([f"{number}" for number in range(partitions.MOST + 1)], ["ü" * 120] * 3000):
        with pytest.raises(BackfillRefused):
            partitions.check_size(keys)


@pytest.mark.parametrize("choice", [{"keys": ("2026-11-01", "nowhere")}, {"first": "nowhere"}, {"last": "2030-01-01"}])
def test_a_choice_of_an_unknown_partition_is_refused(choice: dict[str, Any]) -> None:
    with pytest.raises(PartitionUnknown):
        chosen(DAYS, **choice)


@pytest.mark.parametrize("kind", ["hourly", "daily", "weekly", "monthly"])
@given(first=st.integers(0, 2000), count=st.integers(1, 60))
def test_the_keys_are_those_of_dagster(kind: str, first: int, count: int) -> None:
    """Dagster's own definitions are the reference, in a time zone whose clock is set forward and back."""
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=first)
    definition = times(kind, start.date().isoformat())
    found = list(partitions._range(definition, None, None, start + timedelta(days=count)))
    day = datetime.combine(start.date(), datetime.min.time())
    theirs = {
        "hourly": lambda: dagster.HourlyPartitionsDefinition(day, timezone=BERLIN),
        "daily": lambda: dagster.DailyPartitionsDefinition(day, timezone=BERLIN),
        "weekly": lambda: dagster.WeeklyPartitionsDefinition(day, timezone=BERLIN, day_offset=1),
        "monthly": lambda: dagster.MonthlyPartitionsDefinition(day, timezone=BERLIN),
    }[kind]()
    assert found == theirs.get_partition_keys(current_time=start + timedelta(days=count))
