"""What the tellings of all attempts share, and what a dead process left to be told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Final

import structlog

from floe_chassis.bus import Bus
from floe_chassis.spool import Outgoing, Spool
from floe_contracts.errors import Unreachable
from floe_contracts.openlineage.envelope import RUN_HEADER
from floe_contracts.runs import RunRecord
from floe_executor.adapters.open_lineage import outgoing_lineage, product_of
from floe_executor.adapters.state.run_store import RunStore
from floe_executor.clock import now
from floe_executor.core.lineage import LineageEvent, aborted
from floe_executor.runs.run_telemetry import RunTelemetry
from floe_executor.runs.telling import RunTelling

log = structlog.get_logger(__name__)
_LOOK_AGAIN: Final = 1.0


class Tellings:
    """Makes the telling of each attempt; what they share is here."""

    def __init__(self, bus: Bus, spool: Spool, store: RunStore, telemetry: RunTelemetry) -> None:
        self._bus = bus
        self._spool = spool
        self._store = store
        self._telemetry = telemetry
        self._recovering = asyncio.Lock()

    def of(self, record: RunRecord) -> RunTelling:
        """The telling of the attempt that the record counts."""
        return RunTelling(self._bus, self._spool, self._telemetry, record)

    async def recover(self) -> None:
        """Tell what a process that is gone could not tell any more, before anything else is told.

        What that left open of attempts that others have passed meanwhile is closed; the rest is the next attempt's.
        Waits as long as the bus is away.
        """
        async with self._recovering:
            while True:
                try:
                    for record, start in await self._left_open(await self._spool.recover()):
                        await self._spool.put(outgoing_lineage(record, aborted(start, now())))
                except Unreachable as error:
                    log.warning("what was left to tell waits for the bus", error=str(error))
                    await self._bus.until_connected(_LOOK_AGAIN)
                else:
                    return

    async def _left_open(self, messages: Iterable[Outgoing]) -> list[tuple[RunRecord, LineageEvent]]:
        begun: dict[str, tuple[str, LineageEvent]] = {}
        for message in messages:
            run = message.headers.get(RUN_HEADER)
            event = json.loads(message.body) if run else None
            if run is None or event is None or event["run"]["runId"] == run:
                continue
            if event["eventType"] == "START":
                begun[event["run"]["runId"]] = (run, event)
            else:
                begun.pop(event["run"]["runId"], None)
        found = []
        for run, event in begun.values():
            stored = await self._store.find(product_of(event), run)
            if stored is not None and _is_past(stored.record, event):
                found.append((stored.record, event))
        return found


def _is_past(record: RunRecord, event: LineageEvent) -> bool:
    attempt: int = event["run"]["facets"]["floe_artifact"]["attempt"]
    return record.status.terminal or record.attempt > attempt
