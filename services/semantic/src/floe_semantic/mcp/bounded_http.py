"""One request over HTTP whose answer is a JSON object of a bounded size."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from floe_semantic.core.mcp.errors import AnswerUnusable

_MOST_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back.

    Attributes:
        status: of HTTP.
        body: the object; empty where the answer was none.
    """

    status: int
    body: dict[str, Any]


async def ask_json(client: httpx2.AsyncClient, request: httpx2.Request) -> HttpAnswer:
    """Send the request, follow no redirect, and read the answer.

    Raises:
        httpx2.HTTPError: nobody answers, or not in time.
        AnswerUnusable: the answer is too large.
    """
    content = bytearray()
    response = await client.send(request, stream=True)
    try:
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > _MOST_BYTES:
                raise AnswerUnusable(
                    f"an answer is larger than {_MOST_BYTES // 2**20} MiB", hint="ask for less: aggregate, or filter"
                )
    finally:
        await response.aclose()
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    return HttpAnswer(response.status_code, body if isinstance(body, dict) else {})
