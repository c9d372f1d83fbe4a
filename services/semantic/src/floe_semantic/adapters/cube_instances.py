"""The Cubes that run, in the bucket `floe_cube_instances`: a key vanishes when its Cube is no longer heard of."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Final

import structlog
from nats.errors import Error as NatsError

from floe_chassis.bus import Bus
from floe_chassis.key_values import entries_below
from floe_chassis.topology import CUBE_INSTANCES_BUCKET
from floe_contracts.errors import FloeError
from floe_contracts.openlineage.naming import Place
from floe_contracts.semantic_states import CubeInstance, cube_instance_key, semantic_state_key

RENEW_SECONDS: Final = 5.0
"""So often is it written that a Cube runs which serves what it served; the bucket forgets it after a minute.

A Cube that asks one replica now and another then may have changed twice meanwhile: for so long nobody sees it."""
MOST_INSTANCES: Final = 1000
"""Cubes that one service remembers; of more, those that it heard of first are written more often than needed."""

_log = structlog.get_logger("floe.semantic")


class CubeInstances:
    """Notes which Cubes run and what they serve, beside answering them: an absent bus holds up no answer."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._noted: dict[str, tuple[str | None, float]] = {}
        self._waiting: dict[str, CubeInstance] = {}
        self._wake = asyncio.Event()

    def heard(self, place: Place, instance: str, digest: str | None) -> None:
        """A Cube has asked; `digest` is what it serves."""
        key, now = cube_instance_key(place, instance), time.monotonic()
        noted = self._noted.get(key)
        if noted is not None and noted[0] == digest and now - noted[1] < RENEW_SECONDS:
            return
        self._noted.pop(key, None)
        while len(self._noted) >= MOST_INSTANCES:
            self._noted.pop(next(iter(self._noted)))
        self._noted[key] = (digest, now)
        if len(self._waiting) < MOST_INSTANCES or key in self._waiting:
            seen_at = datetime.now(UTC).isoformat()
            self._waiting[key] = CubeInstance(instance=instance, bundle_digest=digest, seen_at=seen_at)
            self._wake.set()

    async def write(self) -> None:
        """Write what was heard, until it is cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            waiting, self._waiting = self._waiting, {}
            for key, instance in waiting.items():
                try:
                    bucket = await self._bus.key_value(CUBE_INSTANCES_BUCKET)
                    await bucket.put(key, instance.model_dump_json(exclude_none=True).encode())
                except (FloeError, NatsError, OSError, TimeoutError) as error:
                    self._noted.pop(key, None)  # it is written when that Cube asks next
                    _log.warning("instances.not_written", key=key, error=str(error))

    async def running(self, place: Place) -> list[CubeInstance]:
        """The Cubes of a product that were heard of within the last minute, by name.

        Raises:
            Unreachable: the bus does not answer.
        """
        bucket = await self._bus.key_value(CUBE_INSTANCES_BUCKET)
        found: list[CubeInstance] = []
        for entry in await entries_below(bucket, f"{semantic_state_key(place)}.*"):
            try:
                found.append(CubeInstance.model_validate_json(entry.value or b"", extra="ignore"))
            except ValueError:
                _log.warning("instances.unreadable", key=entry.key)
        return sorted(found, key=lambda item: item.instance)
