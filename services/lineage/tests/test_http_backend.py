"""How an OpenLineage server is spoken to: without batches, with compressed bodies, with keys in other headers."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from floe_contracts.plugins.lineage_backends import Answer, LineageEvent, Position
from floe_lineage.adapters.http_backend import HttpBackend, HttpServer


class Server:
    """Keeps what comes; answers 404 or 405 to batches if it is to have none."""

    def __init__(self, batches: int | None = None) -> None:
        self.batches = batches
        self.away = False
        self.paths: list[str] = []
        self.headers: list[Any] = []
        self.bodies: list[bytes] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        self.headers.append(request.headers)
        body = await request.content.read()
        self.bodies.append(body)
        if self.away:
            return web.Response(status=404)
        if self.batches is not None and request.path.endswith("/batch"):
            return web.Response(status=self.batches)
        return web.Response(status=201)


@asynccontextmanager
async def serving(server: Server, **options: Any) -> AsyncIterator[HttpBackend]:
    app = web.Application()
    app.router.add_post("/{path:.*}", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    backend = HttpBackend(HttpServer(url=f"http://127.0.0.1:{runner.addresses[0][1]}", **options))
    await backend.open()
    try:
        yield backend
    finally:
        await backend.close()
        await runner.cleanup()


def events(count: int) -> list[LineageEvent]:
    return [LineageEvent(b'{"n": %d}' % n, f"id-{n}", Position(n, n)) for n in range(count)]


@pytest.mark.parametrize("status", [404, 405])
async def test_a_server_without_batches_gets_single_events_from_then_on(status: int) -> None:
    server = Server(batches=status)
    async with serving(server) as backend:
        assert backend.most == 256
        answer = await backend.send(events(3))
        assert answer.status == status
        assert "one by one" in answer.reason
        assert backend.most == 1
        assert await backend.send(events(1)) == Answer(201)
    assert server.paths == ["/api/v1/lineage/batch", "/api/v1/lineage"]


async def test_a_server_that_is_not_there_at_all_is_not_taken_for_one_without_batches() -> None:
    """As behind a proxy that answers for it meanwhile."""
    server = Server()
    async with serving(server) as backend:
        server.away = True
        for count in (3, 1):
            assert (await backend.send(events(count))).status == 404
        server.away = False
        assert backend.most == 256
        assert (await backend.send(events(3))).status == 201


async def test_a_batch_size_that_was_asked_for_stays() -> None:
    async with serving(Server(batches=404), batch=10) as backend:
        assert backend.most == 10
        assert (await backend.send(events(3))).status == 404
        assert backend.most == 10


async def test_compressed_bodies_say_so() -> None:
    server = Server()
    long = LineageEvent(json.dumps({"text": "x" * 200_000}).encode(), "id", Position(1, 1))
    async with serving(server, compress=True, batch="off") as backend:
        for event in (*events(1), long):
            assert await backend.send([event]) == Answer(201)
    assert [headers["Content-Encoding"] for headers in server.headers] == ["gzip", "gzip"]
    unpacked = [gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body for body in server.bodies]
    assert unpacked == [b'{"n": 0}', long.body]


@pytest.mark.parametrize(
    ("header", "expected"),
    [(None, ("Authorization", "Bearer key")), ("X-Api-Key", ("X-Api-Key", "key"))],
    ids=["bearer", "header"],
)
async def test_the_key_goes_where_the_server_wants_it(header: str | None, expected: tuple[str, str]) -> None:
    server = Server()
    async with serving(server, token=SecretStr("key"), token_header=header, endpoint="/lineage") as backend:
        await backend.send(events(2))
    assert server.paths == ["/lineage/batch"]
    assert server.headers[0][expected[0]] == expected[1]
    assert ("Authorization" in server.headers[0]) is (header is None)


async def test_a_server_that_is_too_slow_is_away() -> None:
    release = asyncio.Event()

    class Slow(Server):
        async def handle(self, request: web.Request) -> web.Response:
            await release.wait()
            return web.Response()

    async with serving(Slow(), timeout=0.3) as backend:
        answer = await backend.send(events(1))
        release.set()
    assert answer.status is None
    assert "Timeout" in answer.reason


@pytest.mark.parametrize(("length", "whole"), [(1_000_000, True), (3_000_000, False)], ids=["long", "absurd"])
async def test_failures_are_read_in_a_long_answer_and_feared_in_one_too_long_to_be_read(
    length: int, whole: bool
) -> None:
    class Wordy(Server):
        async def handle(self, request: web.Request) -> web.Response:
            failed = [{"index": 1, "reason": "no" * (length // 2), "retriable": True}]
            return web.json_response({"failed_events": failed})

    async with serving(Wordy()) as backend:
        answer = await backend.send(events(3))
    assert answer.unnamed_failures == (0 if whole else 1)
    assert [failure.index for failure in answer.failures] == ([1] if whole else [])
