"""Cubes that end while they try what they are offered: they cannot say themselves what became of it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from floe_contracts.openlineage.naming import Place

MOST_ENDINGS: Final = 2
"""A Cube that ended so often over the same offer is taken to have refused it: once may be anybody's doing."""
MOST_ATTEMPTS: Final = 1000
"""Cubes that one service remembers."""


@dataclass(slots=True)
class _Attempt:
    """What a Cube does with an offer.

    Attributes:
        tag: of the offer.
        trying: the process that was given it last, until another one of that name asks.
        ended: processes that were given it and are not heard of any more.
    """

    tag: str
    trying: str | None = None
    ended: set[str] = field(default_factory=set)


class OfferAttempts:
    """Which processes of which Cubes were given an offer, each service for itself: no more is known after it ends."""

    def __init__(self) -> None:
        self._attempts: OrderedDict[tuple[Place, str], _Attempt] = OrderedDict()

    def endings(self, place: Place, instance: str, process: str, tag: str) -> int:
        """How many processes of a Cube ended while they tried an offer, now that `process` asks."""
        attempt = self._attempts.get((place, instance))
        if attempt is None or attempt.tag != tag:
            return 0
        attempt.ended.discard(process)  # two Cubes have the same name, and both live
        if attempt.trying not in (None, process):
            attempt.ended.add(str(attempt.trying))
            attempt.trying = None
        return len(attempt.ended)

    def given(self, place: Place, instance: str, process: str, tag: str) -> None:
        """A process has an offer, which it does not serve yet."""
        key = (place, instance)
        attempt = self._attempts.get(key)
        if attempt is None or attempt.tag != tag:
            attempt = self._attempts[key] = _Attempt(tag)
        attempt.trying = process
        self._attempts.move_to_end(key)
        while len(self._attempts) > MOST_ATTEMPTS:
            self._attempts.popitem(last=False)
