"""Waiting, at the end of a run, for what Cube makes of its bundle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from floe_cli.semantic.asking import Semantic
from floe_cli.semantic.sync_waiting import outcome_of
from floe_contracts.errors import FloeError
from floe_contracts.events import Problem
from floe_contracts.semantic_requests import LIST_SERVED, ListServed, ServedProduct

CubeOutcome: TypeAlias = Literal["served", "refused", "replaced", "pinned", "undecided", "not_rendered"]
"""replaced: something newer was offered before. pinned: somebody rolled back, so the bundle waits. undecided: Cube had
not answered when waiting ended."""
_LOOK_SECONDS: Final = 0.5
_CUBE_SECONDS: Final = 60.0
_SILENT_SECONDS: Final = 15.0
"""A Cube that asks is written down each 5 seconds; one that ended is remembered for a minute."""


@dataclass(frozen=True, slots=True)
class CubeAnswer:
    """What Cube made of the bundle of a run.

    Attributes:
        outcome: what came of it.
        serving: digest of the bundle that Cube has answered with last; None where it never has.
        problems: why it is not served.
    """

    outcome: CubeOutcome
    serving: str | None = None
    problems: tuple[Problem, ...] = ()


async def cube_answer(semantic: Semantic, product: str, cause: str, bundle_digest: str) -> CubeAnswer | None:
    """What Cube makes of a bundle: waited for a minute as long as a Cube asks; None where none does.

    Args:
        semantic: the service, and the environment.
        product: whose bundle it is.
        cause: id of the event that announced the artifact of the bundle.
        bundle_digest: the bundle.
    """
    started = heard_at = time.monotonic()
    seen: set[str] = set()
    while True:
        found = await _look(semantic, product)
        if found is None or not found.instances:
            return None
        if (outcome := run_outcome(found, cause, bundle_digest)) is not None:
            return _answer(outcome, found)
        now = {cube.seen_at for cube in found.instances}
        if not now <= seen:
            heard_at = time.monotonic()
        seen |= now
        if time.monotonic() - heard_at > _SILENT_SECONDS or time.monotonic() - started > _CUBE_SECONDS:
            return _answer("undecided", found)
        await asyncio.sleep(_LOOK_SECONDS)


async def kept_answer(semantic: Semantic, product: str) -> CubeAnswer:
    """What is said of an artifact that could not be rendered: what Cube goes on with."""
    found = await _look(semantic, product)
    return _answer("not_rendered", found) if found else CubeAnswer("not_rendered")


def run_outcome(product: ServedProduct, cause: str, bundle_digest: str) -> CubeOutcome | None:
    """What became of a run's bundle, by the state of its product; None as long as it is open."""
    if product.status == "pinned":
        return "pinned"
    if product.wanted is None or product.wanted.cause != cause:  # rendered, and about to be offered
        return None
    return outcome_of(bundle_digest, product)


def _answer(outcome: CubeOutcome, product: ServedProduct) -> CubeAnswer:
    problems: Sequence[Problem] = product.problems if outcome == "refused" else ()
    return CubeAnswer(outcome, product.served.bundle_digest if product.served else None, tuple(problems))


async def _look(semantic: Semantic, product: str) -> ServedProduct | None:
    """The product; None where the service does not answer: the run has ended well all the same."""
    try:
        found = (await semantic.ask(LIST_SERVED, ListServed(product=product))).products
    except FloeError:
        return None
    return found[0] if found else None
