"""Medians with their spread."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def told(values: Sequence[float], digits: int = 2) -> str:
    """`median (smallest-largest)`; a dash where nothing was measured."""
    if not values:
        return "-"
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"
