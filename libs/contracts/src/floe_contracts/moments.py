"""Points in time as people write them: an ISO time, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_AGO: Final = re.compile(r"(\d{1,9})([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def read_moment(text: str, now: datetime) -> datetime:
    """The moment that is meant: `90m`, `2h`, `7d` ago, or an ISO 8601 time, which is UTC where it names no offset.

    Args:
        text: what was written.
        now: what "ago" is reckoned from; with an offset.

    Raises:
        ValueError: it is neither, or before the year 1.
    """
    try:
        if ago := _AGO.fullmatch(text.strip()):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is neither a time as 2026-11-21T10:00:00Z nor how long ago as 90m, 2h or 7d"
        ) from None
