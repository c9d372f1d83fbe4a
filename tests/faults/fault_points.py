"""Holding the executor at named points of a run."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Final

from floe_chassis.testing import eventually
from floe_contracts.subjects import EventKind

from .facts import RUN_SECONDS, Facts
from .products import TABLES

ROUNDS: Final = int(os.environ.get("FLOE_FAULT_ROUNDS", "2"))
"""How often each fault is tried; `make test-faults` sets twenty."""
POINTS: Final = ("before-work", "mid-build", "after-build", "between-tables", "after-landing", "after-event")
_TERMINAL: Final = (
    EventKind.RUN_COMPLETED,
    EventKind.RUN_FAILED,
    EventKind.RUN_CANCELLED,
    EventKind.RUN_SUPERSEDED,
)


class Points:
    """The points of the executor that can be held."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def arm(self, point: str) -> None:
        """Have the next run held at `point`."""
        for left in self._folder.iterdir():
            left.unlink()
        (self._folder / point).touch()

    async def until_reached(self, point: str) -> None:
        """Wait until it is held."""
        await eventually((self._folder / f"{point}.reached").exists, timeout=RUN_SECONDS)

    def go_on(self, point: str) -> None:
        """Let it go on."""
        (self._folder / f"{point}.go").touch()


async def assert_once(facts: Facts, product: str, run: str) -> None:
    """The run came to one end, its tables landed once, and no two of its attempts built at the same time."""
    await facts.assert_ended_once(product, run, TABLES)
    ends = [event for kind in _TERMINAL for event in await facts.events(kind, product, run)]
    assert len(ends) == 1
    kinds = (EventKind.NODE_STARTED, EventKind.NODE_COMPLETED)
    told = [event for kind in kinds for event in await facts.events(kind, product, run)]
    attempts = [event.data["attempt"] for event in sorted(told, key=lambda event: event.sequence)]
    assert all(one <= following for one, following in pairwise(attempts)), attempts
