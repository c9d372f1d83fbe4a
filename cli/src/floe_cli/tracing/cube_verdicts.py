"""What Cube made of a bundle, by the events that tell of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from floe_contracts.events import SemanticRendered, SemanticSynced, SemanticSyncFailed

Verdict: TypeAlias = SemanticSynced | SemanticSyncFailed


def verdict_in_words(verdicts: Sequence[Verdict], rendered: SemanticRendered) -> str:
    """What Cube last made of a bundle.

    Args:
        verdicts: those of a tenant, in the order in which they were told.
        rendered: the bundle, and where.
    """
    place = (rendered.environment, rendered.product)
    own = [each for each in verdicts if (each.environment, each.product) == place]
    told = [each for each in own if each.bundle_digest == rendered.bundle_digest]
    if not told:
        return "no Cube has answered with it yet"
    last = told[-1]
    if isinstance(last, SemanticSyncFailed):
        return f"Cube refused it: {'; '.join(problem.message for problem in last.problems)}"
    served = [each for each in own if isinstance(each, SemanticSynced)]
    now = "" if served[-1] is last else ", and serves another one now"
    return f"Cube answered with its {last.members} members{now}"
