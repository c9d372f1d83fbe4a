"""Names for the jobs of queries: so many and no more, as whoever explores data asks for something else each time.

What is known of jobs is kept for ever by those who read lineage. So a product has a thousand names for its queries, and
a few more each day; what comes beyond is a run of the job for all other queries of its cube.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from floe_contracts.openlineage.naming import Place

OTHER: Final = "other"
"""Stands for the digest of queries that have no name of their own."""
MOST_NAMES: Final = 1_000
NAMES_A_DAY: Final = 100
_DAY: Final = 86_400.0


@dataclass(slots=True)
class _Names:
    given: OrderedDict[str, None] = field(default_factory=OrderedDict)
    left: float = MOST_NAMES
    counted_at: float = 0.0


class JobNames:
    """The names that were given since the service started."""

    def __init__(self) -> None:
        self._places: dict[Place, _Names] = {}

    def name(self, place: Place, served: str, digest: str, now: float) -> str:
        """The digest that the query's job is named by: its own, or `OTHER`; `now` in seconds."""
        names = self._places.setdefault(place, _Names(counted_at=now))
        name = f"{served}.{digest}"
        if name in names.given:
            names.given.move_to_end(name)
            return digest
        names.left = min(MOST_NAMES, names.left + (now - names.counted_at) * NAMES_A_DAY / _DAY)
        names.counted_at = now
        if names.left < 1:
            return OTHER
        names.left -= 1
        names.given[name] = None
        if len(names.given) > 2 * MOST_NAMES:
            names.given.popitem(last=False)
        return digest
