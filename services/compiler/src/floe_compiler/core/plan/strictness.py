"""Which of two policies for a classification shows less."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from floe_contracts.artifacts import CompiledPolicy

_RANKS: Final = {"none": 0, "mask": 1, "redact": 2, "restrict": 3, "synthesize": 3}
"""How much an action hides; made-up values are not there yet, so they are as strict as restrict."""


class Move(StrEnum):
    """What a change of policy means for those who read."""

    STRICTER = "stricter"
    """Somebody sees less."""
    LOOSER = "looser"
    """Nobody sees less, somebody sees more."""
    SAME = "same"


def compare_policies(before: CompiledPolicy | None, after: CompiledPolicy | None) -> Move:
    """How `after` differs from `before`; None shows everything to everybody."""
    rank, rank_now = _rank(before), _rank(after)
    cleared, cleared_now = _cleared(before), _cleared(after)
    if rank_now > rank or (rank_now > 0 and not cleared <= cleared_now):
        return Move.STRICTER
    if rank_now < rank or (rank_now > 0 and cleared < cleared_now):
        return Move.LOOSER
    return Move.SAME


def shown(policy: CompiledPolicy | None) -> str:
    """What the policy does, in words."""
    if _rank(policy) == 0 or policy is None:
        return "shown"
    roles = f" but for {', '.join(sorted(policy.requires_role))}" if policy.requires_role else ""
    return f"{_PAST[policy.action]}{roles}"


_PAST: Final = {"mask": "masked", "redact": "null", "restrict": "hidden", "synthesize": "hidden"}


def _rank(policy: CompiledPolicy | None) -> int:
    return 0 if policy is None else _RANKS.get(policy.action, 3)


def _cleared(policy: CompiledPolicy | None) -> frozenset[str]:
    return frozenset(policy.requires_role) if policy is not None else frozenset()
