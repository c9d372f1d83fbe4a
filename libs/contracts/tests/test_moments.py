"""Points in time as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from floe_contracts.moments import read_moment

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("30s", timedelta(seconds=30)),
        ("90m", timedelta(minutes=90)),
        ("2h", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
        (" 1w ", timedelta(weeks=1)),
        ("2026-11-21T10:00:00Z", timedelta(hours=2)),
        ("2026-11-21T11:00+01:00", timedelta(hours=2)),
        ("2026-11-21T10:00", timedelta(hours=2)),
        ("2026-11-21", timedelta(hours=12)),
    ],
)
def test_times_and_how_long_ago(text: str, ago: timedelta) -> None:
    assert read_moment(text, NOW) == NOW - ago


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2", "h", "-2h", "1.5h", "2026-13-01", "999999999w", "0001-01-01T00:00+14:00"]
)
def test_what_is_neither(text: str) -> None:
    with pytest.raises(ValueError, match="neither a time"):
        read_moment(text, NOW)
