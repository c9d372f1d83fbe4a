"""The partitions of a product: their keys, what each one covers, and the variables that dbt builds it by.

The keys of time partitions are those of Dagster's definitions: the day that a partition begins on, `2026-11-20`, and
of an hour `2026-11-20-06:00`, in the product's time zone. A week begins on Monday. Where the clock is set back, the
second of two hours of one name has the offset too, `2026-10-25-02:00+0100`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from floe_contracts.compiled_product import CompiledPartitions
from floe_contracts.errors import Where
from floe_contracts.events import PartitionChoice
from floe_contracts.suggestions import meant_or_known
from floe_executor.errors import BackfillRefused, PartitionUnknown

MOST: Final = 5000
"""Partitions of one backfill: their results stand in one event."""
TIMED: Final = frozenset({"hourly", "daily", "weekly", "monthly"})
_RESULT_BYTES: Final = 120
_EVENT_BYTES: Final = 800_000
_DAY: Final = "%Y-%m-%d"
_HOUR: Final = "%Y-%m-%d-%H:%M"
_LONGEST_KEY: Final = 120
_WHERE: Final = Where("floe.yaml", path="orchestration.partitions")


@dataclass(frozen=True, slots=True)
class Window:
    """The time that a partition covers: from `start` on, up to `end`."""

    start: datetime
    end: datetime


def check(definition: CompiledPartitions | None, key: str, now: datetime) -> None:
    """See that the product has the partition; of time partitions, that it has begun.

    Raises:
        PartitionUnknown: it has not, with the nearest one as a hint.
    """
    if definition is None:
        raise PartitionUnknown(
            f"the product has no partitions, so there is no {key!r}",
            where=_WHERE,
            hint="declare them, or leave the partition out",
        )
    if definition.type == "static" and key not in definition.keys:
        raise _unknown(key, meant_or_known(key, definition.keys))
    if definition.type == "dynamic" and not (0 < len(key) <= _LONGEST_KEY and key.isprintable() and key.strip() == key):
        raise _unknown(key, f"a key is 1 to {_LONGEST_KEY} printable characters")
    if definition.type in TIMED:
        _start_of(definition, key, now)


def window(definition: CompiledPartitions | None, key: str, now: datetime) -> Window | None:
    """What a partition covers; None for one that is no time.

    Raises:
        PartitionUnknown: the product has no such partition.
    """
    check(definition, key, now)
    if definition is None or definition.type not in TIMED:
        return None
    start = _start_of(definition, key, now)
    return Window(start, _next(definition, start))


def variables(definition: CompiledPartitions | None, key: str | None, now: datetime) -> dict[str, str]:
    """The variables of dbt for a partition: `floe_partition`, and of a time its `_start` and `_end` in ISO 8601.

    Raises:
        PartitionUnknown: the product has no such partition.
    """
    if key is None:
        return {}
    covered = window(definition, key, now)
    found = {"floe_partition": key}
    if covered is not None:
        found["floe_partition_start"] = covered.start.isoformat()
        found["floe_partition_end"] = covered.end.isoformat()
    return found


def last_closed(definition: CompiledPartitions | None, at: datetime) -> str | None:
    """The time partition that ended last before or at `at`; None if there is none."""
    if definition is None or definition.type not in TIMED:
        return None
    current = _floor(definition, at)
    previous = _floor(definition, current.astimezone(UTC) - timedelta(seconds=1))
    return _key(definition, previous) if _exists(definition, previous) else None


def chosen(
    definition: CompiledPartitions | None, choice: PartitionChoice, now: datetime, known: Sequence[str] = ()
) -> tuple[str, ...]:
    """The keys of a choice, in their order; an empty choice is all of them, of time those that have ended.

    Args:
        definition: of the product.
        choice: a range or keys.
        now: what has not begun by then cannot be chosen.
        known: the keys of dynamic partitions.

    Raises:
        PartitionUnknown: one of them is no partition of the product.
        BackfillRefused: there is none, or there are too many.
    """
    if choice.keys:
        for key in choice.keys:
            check(definition, key, now)
        keys = tuple(dict.fromkeys(choice.keys))
    elif definition is None:
        raise BackfillRefused(
            "the product has no partitions", where=_WHERE, hint="declare them, or ask for a run without partitions"
        )
    elif definition.type in TIMED:
        keys = tuple(_range(definition, choice.first, choice.last, now))
    else:
        keys = _slice(definition, definition.keys if definition.type == "static" else known, choice)
    if not keys:
        raise BackfillRefused(
            "the choice names no partitions", where=_WHERE, hint="choose partitions that there are and that have begun"
        )
    check_size(keys)
    return keys


def check_size(keys: Sequence[str]) -> None:
    """See that the results of so many partitions find room in one event.

    Raises:
        BackfillRefused: they do not.
    """
    size = sum(len(key.encode()) + _RESULT_BYTES for key in keys)
    if len(keys) > MOST or size > _EVENT_BYTES:
        raise BackfillRefused(
            f"the choice names {len(keys)} partitions or more, and {MOST} go at once at most, fewer with long keys",
            where=_WHERE,
            hint="choose fewer of them",
        )


def _range(definition: CompiledPartitions, first: str | None, last: str | None, now: datetime) -> Iterator[str]:
    latest = last_closed(definition, now)
    begin = _start_of(definition, first, now) if first is not None else _first(definition)
    if last is None and latest is None:
        return
    end = _start_of(definition, last if last is not None else latest or "", now)
    start, count = begin, 0
    # Times of one zone are compared as the clock shows them, which is not their order where it is set back.
    while start.timestamp() <= end.timestamp() and _exists(definition, start) and count <= MOST:
        yield _key(definition, start)
        start, count = _next(definition, start), count + 1


def _slice(definition: CompiledPartitions, keys: Sequence[str], choice: PartitionChoice) -> tuple[str, ...]:
    if choice.first is None and choice.last is None:
        return tuple(keys)
    if definition.type == "dynamic":
        raise BackfillRefused("dynamic partitions have no order, so there is no range of them", hint="name their keys")
    for key in (choice.first, choice.last):
        if key is not None and key not in keys:
            raise _unknown(key, meant_or_known(key, keys))
    begin = keys.index(choice.first) if choice.first is not None else 0
    end = keys.index(choice.last) if choice.last is not None else len(keys) - 1
    return tuple(keys[begin : end + 1])


def _start_of(definition: CompiledPartitions, key: str, now: datetime) -> datetime:
    """Where a time partition begins.

    Raises:
        PartitionUnknown: there is no such key, or it has not begun.
    """
    parsed = _parsed(definition, key)
    if parsed is not None:
        start = _floor(definition, parsed)
        if _key(definition, start) == key and _exists(definition, start) and start <= now:
            return start
    raise _unknown(key, _nearest(definition, parsed, now))


def _parsed(definition: CompiledPartitions, key: str) -> datetime | None:
    zone = _zone(definition)
    for form in (_HOUR + "%z", _HOUR, _DAY, "%Y-%m-%dT%H:%M", "%Y-%m"):
        try:
            found = datetime.strptime(key, form)  # noqa: DTZ007 -- the zone is put in below
        except ValueError:
            continue
        return found.astimezone(zone) if found.tzinfo else _real(found.replace(tzinfo=zone))
    return None


def _nearest(definition: CompiledPartitions, wanted: datetime | None, now: datetime) -> str:
    first = _first(definition)
    if first > now:
        return f"the first one is {_key(definition, first)}, and it has not begun"
    latest = _floor(definition, now)
    if definition.end is not None:
        latest = min(latest, _floor(definition, _midnight(definition, date.fromisoformat(definition.end))))
    near = _floor(definition, min(max(wanted or latest, first), latest))
    return f"the nearest one is {_key(definition, max(near, first))}"


def _first(definition: CompiledPartitions) -> datetime:
    begin = _midnight(definition, date.fromisoformat(definition.start or "1970-01-01"))
    start = _floor(definition, begin)
    return start if start >= begin else _next(definition, start)


def _exists(definition: CompiledPartitions, start: datetime) -> bool:
    ends = definition.end is not None and start.date() > date.fromisoformat(definition.end)
    return start >= _first(definition) and not ends


def _floor(definition: CompiledPartitions, moment: datetime) -> datetime:
    """The beginning of the partition that `moment` is in."""
    local = moment.astimezone(_zone(definition))
    if definition.type == "hourly":
        return local.replace(minute=0, second=0, microsecond=0)
    day = local.date()
    if definition.type == "weekly":
        day -= timedelta(days=day.weekday())
    if definition.type == "monthly":
        day = day.replace(day=1)
    return _midnight(definition, day)


def _next(definition: CompiledPartitions, start: datetime) -> datetime:
    if definition.type == "hourly":
        return _floor(definition, (start.astimezone(UTC) + timedelta(hours=1)).astimezone(_zone(definition)))
    day = start.date()
    if definition.type == "monthly":
        return _midnight(definition, (day.replace(day=28) + timedelta(days=4)).replace(day=1))
    return _midnight(definition, day + timedelta(days=7 if definition.type == "weekly" else 1))


def _key(definition: CompiledPartitions, start: datetime) -> str:
    if definition.type != "hourly":
        return start.strftime(_DAY)
    return start.strftime(_HOUR + "%z" if start.fold else _HOUR)


def _midnight(definition: CompiledPartitions, day: date) -> datetime:
    return _real(datetime.combine(day, time(), _zone(definition)))


def _real(local: datetime) -> datetime:
    """The same moment as the clock shows it: one that is left out where the clock is set forward is moved on."""
    return local.astimezone(UTC).astimezone(local.tzinfo)


def _zone(definition: CompiledPartitions) -> ZoneInfo:
    return ZoneInfo(definition.timezone or "UTC")


def _unknown(key: str, hint: str) -> PartitionUnknown:
    return PartitionUnknown(f"the product has no partition {key!r}", where=_WHERE, hint=hint)
