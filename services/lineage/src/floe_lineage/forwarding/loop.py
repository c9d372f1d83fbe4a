"""The loop of one backend: fetch, deliver, fetch again."""

from __future__ import annotations

import asyncio
import random
from typing import Final

import structlog

from floe_contracts.errors import Transient
from floe_contracts.plugins.lineage_backends import Answer, Backend, Position, position_after
from floe_lineage.core.forwarding.decisions import pause
from floe_lineage.core.forwarding.delivery import Road, deliver, split_known
from floe_lineage.core.forwarding.ports import Source

_CANCEL_AGAIN_SECONDS: Final = 0.1
_log = structlog.get_logger("floe.lineage")


async def forward(name: str, source: Source, backend: Backend) -> None:
    """Forward the stream to one backend until cancelled.

    One batch is settled before the next is fetched, so a backend that is away costs the bus nothing but its stream.

    Raises:
        Permanent: the backend cannot be opened, and trying again would not help.
    """
    work = asyncio.create_task(_forward(name, source, backend), name=f"forward {name}")
    try:
        await asyncio.shield(work)
    finally:
        # Until Python 3.12, `wait_for` (in nats-py too) may swallow a cancellation that comes as its time runs out.
        while not work.done():
            work.cancel()
            await asyncio.wait({work}, timeout=_CANCEL_AGAIN_SECONDS)


async def _forward(name: str, source: Source, backend: Backend) -> None:
    watch = _Watch(name)
    try:
        done = await _opened(backend, watch)
        road = Road(backend, source, watch.wait, _jitter)
        while True:
            events = await source.fetch()
            known, fresh = split_known(events, done)
            await source.accepted(known)
            await deliver(road, fresh)
            if fresh:
                watch.answered()
                done = position_after(done, fresh)
    finally:
        try:
            await source.close()
        finally:
            await backend.close()


class _Watch:
    """Tells once that a backend is away, and once that it is back."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._away = False

    async def wait(self, answer: Answer, seconds: float) -> None:
        if not self._away:
            self._away = True
            _log.warning("backend.away", backend=self._name, status=answer.status, reason=answer.reason)
        await asyncio.sleep(seconds)

    def answered(self) -> None:
        if self._away:
            self._away = False
            _log.info("backend.back", backend=self._name)


async def _opened(backend: Backend, watch: _Watch) -> Position | None:
    attempt = 0
    while True:
        try:
            return await backend.open()
        except Transient as error:
            await watch.wait(Answer(None, str(error)), pause(attempt, retry_after=None, jitter=_jitter()))
            attempt += 1


def _jitter() -> float:
    return random.random()  # noqa: S311 - spreads retries, guards nothing
