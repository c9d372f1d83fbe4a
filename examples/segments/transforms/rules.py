"""What makes a segment; the transform and whoever asks about it read it here."""

from __future__ import annotations

RECENT_DAYS = 90
OFTEN = 4


def segment(days_since: int, purchases: int) -> str:
    """The segment of a customer who bought so often, the last time so long ago."""
    if days_since <= RECENT_DAYS:
        return "loyal" if purchases >= OFTEN else "promising"
    return "at risk" if purchases >= OFTEN else "lost"
