"""Cube's REST API, asked with the caller's token."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

import httpx2
from pydantic import SecretStr

from floe_semantic.core.mcp.entities import Entities, read_meta
from floe_semantic.core.mcp.errors import (
    AnswerUnusable,
    CubeUnavailable,
    QueryInvalid,
    QueryUnfinished,
    TokenRefused,
)
from floe_semantic.mcp.bounded_http import HttpAnswer, ask_json
from floe_semantic.mcp.settings import McpSettings

_CONTINUE: Final = "Continue wait"
_MOST_MESSAGE: Final = 2_000
_KEPT_CALLERS: Final = 16


class CubeApi:
    """Asks one Cube, and keeps for a moment what each caller may see.

    Args:
        client: its connections; its timeout bounds one request.
        settings: where Cube is, and how long it may take.
    """

    def __init__(self, client: httpx2.AsyncClient, settings: McpSettings) -> None:
        self._client = client
        self._settings = settings
        self._root = settings.cube_url.rstrip("/") + settings.cube_base_path.rstrip("/") + "/v1/"
        self._seen: OrderedDict[bytes, tuple[float, Entities]] = OrderedDict()

    async def entities(self, token: SecretStr, *, fresh: bool = False) -> Entities:
        """The cubes and views that the caller may see.

        Args:
            token: the caller's.
            fresh: whether what was kept from the last call will not do.

        Raises:
            TokenRefused: Cube does not take the token.
            CubeUnavailable: Cube does not answer, or has no model yet.
            AnswerUnusable: what answers is not Cube.
        """
        key = hashlib.sha256(token.get_secret_value().encode()).digest()
        kept = self._seen.get(key)
        if kept is not None and not fresh and time.monotonic() - kept[0] < self._settings.meta_seconds:
            return kept[1]
        found = read_meta(await self._asked("meta", token, None))
        self._seen[key] = (time.monotonic(), found)
        self._seen.move_to_end(key)
        while len(self._seen) > _KEPT_CALLERS:
            self._seen.popitem(last=False)
        return found

    async def load(self, query: Mapping[str, Any], token: SecretStr) -> dict[str, Any]:
        """The rows of a query, once Cube has them.

        Raises:
            QueryUnfinished: Cube still works on it after `query_seconds`.
            QueryInvalid: Cube refuses it, or the database does.
            TokenRefused: Cube does not take the token.
            CubeUnavailable: Cube does not answer.
            AnswerUnusable: the answer is too large.
        """
        deadline = time.monotonic() + self._settings.query_seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                loaded = await self._asked("load", token, {"query": query}, left)
            except CubeUnavailable as error:
                if isinstance(error.__cause__, httpx2.TimeoutException) and time.monotonic() >= deadline:
                    break
                raise
            # Cube itself holds such a request for some seconds before it answers so.
            if loaded.get("error") != _CONTINUE:
                return loaded
        raise QueryUnfinished(
            f"Cube still works on the query after {self._settings.query_seconds:g} s",
            hint="ask the same again, which goes on waiting, or ask for less",
        )

    async def sql(self, query: Mapping[str, Any], token: SecretStr) -> tuple[str, list[Any]]:
        """The SQL of a query, and its parameters; raises what `load` does."""
        answer = await self._asked("sql", token, {"query": query})
        made = answer.get("sql")
        parts = made.get("sql") if isinstance(made, dict) else None
        if not (isinstance(parts, list) and len(parts) == 2 and isinstance(parts[0], str)):
            raise AnswerUnusable("what answers to /v1/sql is not Cube", hint="look at the address of Cube")
        return parts[0], list(parts[1] or ())

    async def normalised(self, query: Mapping[str, Any], token: SecretStr) -> dict[str, Any]:
        """The query as Cube would run it, after its policies; raises what `load` does."""
        answer = await self._asked("dry-run", token, {"query": query})
        queries = answer.get("normalizedQueries")
        if not (isinstance(queries, list) and queries and isinstance(queries[0], dict)):
            raise AnswerUnusable("what answers to /v1/dry-run is not Cube", hint="look at the address of Cube")
        return dict(queries[0])

    async def _asked(
        self, path: str, token: SecretStr, body: Mapping[str, Any] | None, within: float | None = None
    ) -> dict[str, Any]:
        """Queries go by POST, so that no log of addresses holds their values."""
        seconds = min(self._settings.request_seconds, within or self._settings.request_seconds)
        request = self._client.build_request(
            "GET" if body is None else "POST",
            self._root + path,
            json=body,
            headers={"Authorization": f"Bearer {token.get_secret_value()}"},
            timeout=max(seconds, 0.1),
        )
        try:
            answer = await ask_json(self._client, request)
        except httpx2.TimeoutException as error:
            raise CubeUnavailable(f"Cube at {self._settings.cube_url} has not answered within {seconds:g} s") from error
        except httpx2.HTTPError as error:
            raise CubeUnavailable(
                f"Cube at {self._settings.cube_url} does not answer: {error}",
                hint="is it running, and does FLOE_MCP_CUBE_URL name it?",
            ) from error
        _refuse(answer, self._settings.cube_url)
        return answer.body


def _refuse(answer: HttpAnswer, address: str) -> None:
    said = str(answer.body.get("error") or "")[:_MOST_MESSAGE]
    if answer.status in (401, 403):
        raise TokenRefused(
            f"Cube refuses: {said or answer.status}",
            hint="is the token over, signed with another key than this Cube's, or without a claim that it needs?",
        )
    if answer.status in (502, 503, 504):
        raise CubeUnavailable(f"Cube is not ready: {said or answer.status}")
    if answer.status != 200 and not said:
        raise AnswerUnusable(
            f"{address} answers with status {answer.status}, and not as Cube does", hint="look at the address of Cube"
        )
    if answer.status == 400:
        raise QueryInvalid(f"Cube refuses the query: {said}")
    if answer.status != 200:
        raise QueryInvalid(f"Cube could not answer: {said}")
    if said and said != _CONTINUE:
        raise QueryInvalid(f"Cube could not answer: {said}")
