"""Service levels as numbers, so that two of them can be compared."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from floe_contracts.data_contracts import ServiceLevel

_DURATION: Final = re.compile(
    r"^P(?=.)(?:(?P<y>\d+(?:\.\d+)?)Y)?(?:(?P<mo>\d+(?:\.\d+)?)M)?(?:(?P<w>\d+(?:\.\d+)?)W)?(?:(?P<d>\d+(?:\.\d+)?)D)?"
    r"(?:T(?=.)(?:(?P<h>\d+(?:\.\d+)?)H)?(?:(?P<m>\d+(?:\.\d+)?)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?$"
)
"""An ISO 8601 duration."""

_NUMBER: Final = re.compile(r"^(?P<number>-?\d+(?:\.\d+)?)\s*(?P<unit>%|[a-zA-Z/]*)$")
_SECONDS: Final = {"y": 365 * 86_400, "mo": 30 * 86_400, "w": 7 * 86_400, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_UNITS: Final = {
    **dict.fromkeys(("y", "yr", "yrs", "year", "years"), "y"),
    **dict.fromkeys(("mo", "month", "months"), "mo"),
    **dict.fromkeys(("w", "week", "weeks"), "w"),
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
}
_BETTER_HIGHER: Final = frozenset(
    {"accuracy", "availability", "av", "completeness", "coverage", "retention", "re", "throughput", "th", "uniqueness"}
)
_BETTER_LOWER: Final = frozenset(
    {"errorrate", "er", "freshness", "frequency", "fy", "latency", "ly"}
    | {"timeofavailability", "timetodetect", "td", "timetonotify", "tn", "timetorepair", "tr"}
)
_DATES: Final = frozenset({"generalavailability", "ga", "endofsupport", "es", "endoflife", "el"})
_DATES_BETTER_EARLIER: Final = frozenset({"generalavailability", "ga"})


class Direction(Enum):
    """Which way a service level went."""

    SAME = "same"
    TIGHTER = "tighter"
    LOOSER = "looser"
    UNKNOWN = "unknown"


def direction(old: ServiceLevel, new: ServiceLevel) -> Direction:
    """Which way the promise went from `old` to `new`; both are about the same property.

    Durations are those of ISO 8601, or numbers with a unit; a month counts as 30 days, a year as 365.
    """
    before, after = measure(old), measure(new)
    if before is not None and before == after:
        return Direction.SAME
    name = old.property.replace("_", "").casefold()
    if name in _DATES and (old.unit, new.unit) == (None, None):
        later = new.value > old.value
        return Direction.LOOSER if later == (name in _DATES_BETTER_EARLIER) else Direction.TIGHTER
    if before is None or after is None or before[0] != after[0]:
        same = (old.value, old.unit) == (new.value, new.unit)
        return Direction.SAME if same else Direction.UNKNOWN
    if name in _BETTER_HIGHER:
        return Direction.TIGHTER if after[1] > before[1] else Direction.LOOSER
    if name in _BETTER_LOWER:
        return Direction.TIGHTER if after[1] < before[1] else Direction.LOOSER
    return Direction.UNKNOWN


def measure(level: ServiceLevel) -> tuple[str, float] | None:
    """The value and what it counts (`seconds`, `percent`, or the unit itself); None when it is no number."""
    text = level.value.strip()
    if duration := _DURATION.match(text):
        parts = duration.groupdict()
        return "seconds", sum(float(value) * _SECONDS[unit] for unit, value in parts.items() if value)
    number = _NUMBER.match(text)
    if number is None:
        return None
    unit = (number["unit"] or level.unit or "").casefold()
    amount = float(number["number"])
    if unit in _UNITS:
        return "seconds", amount * _SECONDS[_UNITS[unit]]
    return ("percent" if unit in {"%", "percent"} else unit), amount
