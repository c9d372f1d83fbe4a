"""The names of the metrics of the bundles that Cube fetches. Labels are bounded: their values are listed here."""

from __future__ import annotations

from typing import Final

SCOPE: Final = "floe.semantic"

GATE_DURATION: Final = "floe.semantic.gate.duration"
"""Seconds that Cube's own compiler took; by outcome."""
POLLS: Final = "floe.semantic.polls"
"""What Cubes asked for; by outcome."""
VERDICTS: Final = "floe.semantic.verdicts"
"""What Cubes said of bundles; by outcome, after the members were compared."""

OUTCOME: Final = "floe.outcome"

UNCHANGED: Final = "unchanged"
GIVEN: Final = "given"
SERVED: Final = "served"
REFUSED: Final = "refused"
PASSED: Final = "passed"
FAILED: Final = "failed"
