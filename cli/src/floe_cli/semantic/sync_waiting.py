"""Waiting for what Cube makes of a bundle that it was offered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from floe_cli.errors import CubeAbsent, CubeUndecided
from floe_cli.semantic.asking import Semantic
from floe_contracts.digests import short
from floe_contracts.semantic_requests import LIST_SERVED, BundleOffered, ListServed, ServedProduct
from floe_contracts.semantic_states import CubeInstance

Outcome: TypeAlias = Literal["served", "refused", "replaced"]
"""replaced: something newer was offered before Cube had answered."""
_LOOK_SECONDS: Final = 0.5
_SILENT: Final = timedelta(seconds=30)
"""A Cube that runs is written down each 5 seconds; the service may be away for some."""
_ABSENT_SECONDS: Final = 5.0
"""Within this a Cube that runs has asked: it does so each second."""


@dataclass(frozen=True, slots=True)
class Synced:
    """What came of an offer."""

    outcome: Outcome
    product: ServedProduct


async def until_synced(semantic: Semantic, offer: BundleOffered, seconds: float) -> Synced:
    """Wait until Cube serves what it was offered, or has refused it.

    The state is looked at again and again: no event comes for a bundle that is served already.

    Raises:
        CubeAbsent: no Cube asks for the bundle.
        CubeUndecided: none has said within `seconds` whether it takes it.
    """
    started = time.monotonic()
    while True:
        product = await _look(semantic, offer)
        if (outcome := outcome_of(offer.offered.bundle_digest, product)) is not None:
            return Synced(outcome, product)
        waited = time.monotonic() - started
        told = f"the bundle {short(offer.offered.bundle_digest)} of {offer.product} in {semantic.environment}"
        if not product.instances and waited >= min(_ABSENT_SECONDS, seconds):
            raise CubeAbsent(
                f"{told} is offered, but no Cube asks for it",
                hint="a Cube that starts gets it: see docs/how-to/serve-through-cube.md",
            )
        if waited >= seconds:
            raise CubeUndecided(
                f"{told} is offered, and no Cube has answered with it within {seconds:g} s",
                hint="floe semantic status shows what became of it",
            )
        await asyncio.sleep(_LOOK_SECONDS)


def outcome_of(digest: str, product: ServedProduct) -> Outcome | None:
    """What Cube made of an offered bundle, by the state of its product; None as long as it is open."""
    given = product.offered
    if given is None or given.bundle_digest != digest or product.status == "failed":
        return "refused" if product.problems else "replaced"
    # What is offered anew is served once a Cube has said so since, also where its files are the same.
    served = product.served is not None and product.served.cause == given.cause
    running = {cube.bundle_digest for cube in heard_lately(product.instances)}
    return "served" if served and running == {digest} else None


def heard_lately(instances: Sequence[CubeInstance]) -> list[CubeInstance]:
    """Those that run: one that fell silent while others went on asking has ended, and is remembered for a while."""
    seen = [datetime.fromisoformat(cube.seen_at) for cube in instances]
    last = max(seen, default=None)
    return [cube for cube, at in zip(instances, seen, strict=True) if last is None or (last - at) < _SILENT]


async def _look(semantic: Semantic, offer: BundleOffered) -> ServedProduct:
    [product] = (await semantic.ask(LIST_SERVED, ListServed(product=offer.product))).products
    return product
