"""An OpenLineage server over HTTP as a backend."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import aiohttp
from pydantic import SecretStr

from floe_contracts.plugins.lineage_backends import Answer, LineageEvent, Position
from floe_lineage.core.forwarding.decisions import answer_of

_SINGLE: Final = "/api/v1/lineage"
_BATCH: Final = "/api/v1/lineage/batch"
_TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=5)
_ANSWER_BYTES: Final = 256 * 1024


class HttpBackend:
    """Posts events one by one, or as batches (OpenLineage 2.0.2), with an idempotency key."""

    def __init__(self, url: str, *, token: SecretStr | None, batch: bool) -> None:
        self.most = 256 if batch else 1
        self._url = url.rstrip("/")
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> Position | None:
        headers = {"Content-Type": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        self._session = aiohttp.ClientSession(
            headers=headers, timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar(), raise_for_status=False
        )
        return None

    async def send(self, events: Sequence[LineageEvent]) -> Answer:
        if self._session is None:
            return Answer(None, "not open")
        path, body = _SINGLE, events[0].body
        if len(events) > 1:
            path, body = _BATCH, b"[" + b",".join(event.body for event in events) + b"]"
        try:
            async with self._session.post(
                self._url + path,
                data=body,
                headers={"Idempotency-Key": idempotency_key(events)},
                # A redirected POST becomes a GET on the way, and the event is lost.
                allow_redirects=False,
            ) as response:
                answer = await _read(response)
                return answer_of(response.status, response.headers, answer, count=len(events), now=datetime.now(UTC))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Answer(None, f"{type(error).__name__}: {error}")

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def idempotency_key(events: Sequence[LineageEvent]) -> str:
    """The same for the same events: the message id of one, a digest of the ids of several."""
    ids = "\n".join(event.id for event in events)
    if len(events) == 1 and ids.isascii() and ids.isprintable():
        return ids
    return hashlib.sha256(ids.encode()).hexdigest()


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The beginning of the answer: all of it, if it is not absurdly long."""
    content = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        content += chunk
        if len(content) >= _ANSWER_BYTES:
            break
    return bytes(content)
