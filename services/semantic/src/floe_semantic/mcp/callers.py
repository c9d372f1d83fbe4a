"""Who asks: the tokens that came with a request. The server has none of its own to lend."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from pydantic import SecretStr

from floe_semantic.core.mcp.errors import TokenMissing
from floe_semantic.mcp.settings import McpSettings

LINEAGE_HEADER: Final = "X-Floe-Lineage-Token"
"""Over HTTP, a caller's token of a lineage reader: Cube's is not shown to the gateway."""
_BEARER: Final = "bearer "
_request_headers: ContextVar[Mapping[str, str] | None] = ContextVar("request_headers", default=None)


@dataclass(frozen=True, slots=True)
class Caller:
    """The tokens of whoever asks.

    Attributes:
        cube: for Cube.
        lineage: for the gateway; None to ask it as nobody.
    """

    cube: SecretStr
    lineage: SecretStr | None


async def remember_headers(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Middleware: the headers of a request are at hand while it is handled; over stdio there are none."""
    token = _request_headers.set(getattr(ctx.request, "headers", None))
    try:
        return await call_next(ctx)
    finally:
        _request_headers.reset(token)


def current_caller(settings: McpSettings) -> Caller:
    """Who asks just now.

    Raises:
        TokenMissing: the request, or over stdio the settings, has no token of Cube.
    """
    headers = _request_headers.get()
    if headers is not None:
        return _from_headers(headers)
    token = _from_settings(settings)
    if token is None:
        raise TokenMissing(
            "there is no token of Cube", hint="set FLOE_CUBE_API_TOKEN or FLOE_CUBE_API_TOKEN_FILE to your own"
        )
    return Caller(token, settings.lineage_token)


def _from_headers(headers: Mapping[str, str]) -> Caller:
    sent = headers.get("authorization", "").strip()
    token = sent[len(_BEARER) :].strip() if sent.lower().startswith(_BEARER) else ""
    if not token:
        raise TokenMissing(
            "the request has no token of Cube", hint="have the client send the header Authorization: Bearer <token>"
        )
    lineage = headers.get(LINEAGE_HEADER.lower(), "").strip()
    return Caller(SecretStr(token), SecretStr(lineage) if lineage else None)


def _from_settings(settings: McpSettings) -> SecretStr | None:
    if settings.cube_api_token is not None:
        return settings.cube_api_token
    if settings.cube_api_token_file is None:
        return None
    try:
        token = settings.cube_api_token_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise TokenMissing(
            f"the file with the token of Cube cannot be read: {error.strerror}", hint="see FLOE_CUBE_API_TOKEN_FILE"
        ) from error
    return SecretStr(token) if token else None
