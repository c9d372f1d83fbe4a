"""A bus with external subscribers, and readers in their accounts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from floe_chassis.bus import Bus

from .subscribed_bus import SubscribedBus

SUBSCRIBERS = ("bi=acme", "ops=acme/dev", "other=globex")


@pytest.fixture
async def subscribed(tmp_path: Path) -> AsyncIterator[SubscribedBus]:
    """A running bus with its topology."""
    bus = SubscribedBus(tmp_path, SUBSCRIBERS)
    await bus.start()
    try:
        await bus.apply()
        yield bus
    finally:
        bus.kill()


@pytest.fixture
async def operator(subscribed: SubscribedBus) -> AsyncIterator[Bus]:
    """A connection without limits."""
    bus = await subscribed.connected("operator")
    yield bus
    await bus.close()
