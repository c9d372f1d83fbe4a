"""OpenLineage servers that go wrong in one way each, and the events that are sent to them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web

from floe_chassis.bus import Bus
from floe_contracts import subjects
from floe_contracts.openlineage.envelope import ROOT_RUN_HEADER

POISON: Final = "poison"
_AT_ONCE: Final = 200
Events = list[dict[str, Any]]
Behaviour = Callable[["Receiver", web.Request, Events], Awaitable[web.Response | None]]


class Receiver:
    """Keeps what it takes, in order, and refuses poison; `behave` may answer before that.

    Attributes:
        taken: the numbers of the events that it took, as often as it took them.
        requests: how many there were.
        unheard: events that it took without that its answer came through.
        url: where it is.
    """

    def __init__(self, behave: Behaviour | None = None) -> None:
        self.taken: list[int] = []
        self.requests = 0
        self.unheard = 0
        self.url = ""
        self._behave = behave

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Receiver]:
        """Serve on a free port for as long as the context lasts."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/api/v1/lineage", self._handle)
        app.router.add_post("/api/v1/lineage/batch", self._handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        document = json.loads(await request.read())
        events: Events = document if isinstance(document, list) else [document]
        self.requests += 1
        answer = await self._behave(self, request, events) if self._behave else None
        if answer is not None:
            return answer
        if any(is_poison(event) for event in events):
            return web.Response(status=422, text="poison")
        self.take(events)
        return web.Response(status=201)

    def take(self, events: Iterable[dict[str, Any]]) -> None:
        """Keep events."""
        self.taken += [event["n"] for event in events]


def is_poison(event: dict[str, Any]) -> bool:
    """Whether no receiver takes the event."""
    return POISON in event


def lineage(count: int, poison: Iterable[int] = ()) -> Iterator[dict[str, Any]]:
    """START and COMPLETE of runs, each COMPLETE behind the START of the run after the next; numbered from 0."""
    bad = set(poison)
    for number in range(count):
        kind, run = ("START", number // 2) if number % 2 == 0 else ("COMPLETE", max(0, number // 2 - 2))
        event = {
            "n": number,
            "eventType": kind,
            "eventTime": "2026-01-01T00:00:00Z",
            "run": {"runId": f"00000000-0000-4000-8000-{run:012d}"},
            "job": {"namespace": "floe://default/dev", "name": f"orders.model_{run % 50}"},
            "inputs": [],
            "outputs": [{"namespace": "duckdb://default.dev.orders", "name": f"orders.main.model_{run % 50}"}],
            "producer": "https://example.com/floe-tests",
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        }
        yield event | ({POISON: True} if number in bad else {})


async def publish(bus: Bus, events: Iterable[dict[str, Any]], *, padding: int = 0) -> None:
    """Store events in their order, so many on their way at once; each may be made longer by so many bytes."""
    waiting: list[asyncio.Future[Any]] = []
    for event in events:
        subject = subjects.lineage("default", "dev", "orders", event["job"]["name"], event["eventType"])
        body = json.dumps(event | ({"padding": "x" * padding} if padding else {})).encode()
        headers = {"Nats-Msg-Id": f"event-{event['n']}", ROOT_RUN_HEADER: event["run"]["runId"]}
        waiting.append(await bus.js.publish_async(subject, body, headers=headers))
        if len(waiting) >= _AT_ONCE:
            await asyncio.gather(*waiting)
            waiting.clear()
    await asyncio.gather(*waiting)


def well_ordered(taken: Iterable[int]) -> bool:
    """Whether no COMPLETE comes before the START of its run."""
    started: set[int] = set()
    for number in taken:
        if number % 2 == 0:
            started.add(number // 2)
        elif max(0, number // 2 - 2) not in started:
            return False
    return True
