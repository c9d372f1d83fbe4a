"""An OpenLineage server over HTTP as a backend."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

import aiohttp
from pydantic import SecretStr

from floe_contracts.plugins.lineage_backends import Answer, LineageEvent, Position
from floe_lineage.core.forwarding.decisions import answer_of

BatchSize: TypeAlias = Literal["auto", "off"] | int
"""How many events go in one request: `auto` finds out whether the server takes several."""

ENDPOINT: Final = "/api/v1/lineage"
TIMEOUT_SECONDS: Final = 30.0
MOST: Final = 256
_NO_BATCHES: Final = frozenset({404, 405})
# A server may answer with the batch that it got, and `delivery.MOST_BYTES` of that.
_ANSWER_BYTES: Final = 2 * 1024 * 1024
# A body of this size takes about a millisecond to compress, and a larger one does not hold up the loop.
_COMPRESSED_HERE: Final = 64 * 1024
_COMPRESSION: Final = 3


@dataclass(frozen=True, slots=True)
class HttpServer:
    """An OpenLineage server, and how it is spoken to.

    Attributes:
        url: its address.
        endpoint: path that takes single events; batches go to `/batch` below it.
        token: what opens it, if anything does.
        token_header: header that takes the token as it is; left out, it is a bearer token.
        batch: how many events go in one request.
        compress: whether bodies are sent with gzip.
        timeout: seconds until a request counts as failed.
    """

    url: str
    endpoint: str = ENDPOINT
    token: SecretStr | None = None
    token_header: str | None = None
    batch: BatchSize = "auto"
    compress: bool = False
    timeout: float = TIMEOUT_SECONDS

    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        headers = {"Content-Type": "application/json"}
        if self.compress:
            headers["Content-Encoding"] = "gzip"
        if self.token is not None:
            token = self.token.get_secret_value()
            name, value = (self.token_header, token) if self.token_header else ("Authorization", f"Bearer {token}")
            headers[name] = value
        return headers


class HttpBackend:
    """Posts events one by one, or as batches (OpenLineage 2.0.2), with an idempotency key."""

    def __init__(self, server: HttpServer) -> None:
        self.most = {"auto": MOST, "off": 1}.get(str(server.batch)) or int(server.batch)
        self._server = server
        self._single = server.url.rstrip("/") + server.endpoint
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> Position | None:
        self._session = aiohttp.ClientSession(
            headers=self._server.headers(),
            timeout=aiohttp.ClientTimeout(total=self._server.timeout, connect=min(5.0, self._server.timeout)),
            cookie_jar=aiohttp.DummyCookieJar(),
            raise_for_status=False,
        )
        return None

    async def send(self, events: Sequence[LineageEvent]) -> Answer:
        if self._session is None:
            return Answer(None, "not open")
        url, body = self._single, events[0].body
        if len(events) > 1:
            url, body = f"{self._single}/batch", b"[" + b",".join(event.body for event in events) + b"]"
        if self._server.compress:
            body = await _compressed(body)
        try:
            async with self._session.post(
                url,
                data=body,
                headers={"Idempotency-Key": idempotency_key(events)},
                # A redirected POST becomes a GET on the way, and the event is lost.
                allow_redirects=False,
            ) as response:
                content, whole = await _read(response)
                if response.status in _NO_BATCHES and self._server.batch == "auto":
                    return self._not_found(response.status, len(events))
                now = datetime.now(UTC)
                return answer_of(response.status, response.headers, content, count=len(events), now=now, whole=whole)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Answer(None, f"{type(error).__name__}: {error}")

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _not_found(self, status: int, count: int) -> Answer:
        """A server with an endpoint for single events and none for batches takes none; one that has neither is away."""
        if count > 1:
            self.most = 1
            return Answer(status, "it takes no batches; from now on it gets events one by one")
        self.most = MOST
        return Answer(status, f"there is nothing at {self._server.endpoint}")


def idempotency_key(events: Sequence[LineageEvent]) -> str:
    """The same for the same events: the message id of one, a digest of the ids of several."""
    ids = "\n".join(event.id for event in events)
    if len(events) == 1 and ids.isascii() and ids.isprintable():
        return ids
    return hashlib.sha256(ids.encode()).hexdigest()


async def _compressed(body: bytes) -> bytes:
    if len(body) <= _COMPRESSED_HERE:
        return gzip.compress(body, _COMPRESSION)
    return await asyncio.to_thread(gzip.compress, body, _COMPRESSION)


async def _read(response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """The answer, and whether that is all of it: one that is absurdly long is not read to its end."""
    content = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        content += chunk
        if len(content) > _ANSWER_BYTES:
            return bytes(content), False
    return bytes(content), True
