"""What the service's HTTP endpoints share: the caller's token, the body, and errors as problem documents."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import structlog
from pydantic import SecretStr
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from floe_contracts.bearer_tokens import bears
from floe_contracts.errors import FloeError, Transient
from floe_contracts.events import Problem
from floe_semantic.errors import (
    CubeDoorClosed,
    CubeRequestInvalid,
    CubeRequestTooLarge,
    CubeUnauthorized,
    NothingOffered,
    OfferOutdated,
    ProductUnserved,
    ProductWithdrawn,
)

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

RETRY_AFTER_SECONDS: Final = 2
_BODY_SECONDS: Final = 30.0
_STATUS: Final[dict[type[FloeError], int]] = {
    CubeRequestInvalid: 400,
    ProductUnserved: 400,
    CubeUnauthorized: 401,
    CubeDoorClosed: 403,
    NothingOffered: 404,
    OfferOutdated: 409,
    ProductWithdrawn: 410,
    CubeRequestTooLarge: 413,
}

_log = structlog.get_logger("floe.semantic")


@dataclass(frozen=True, slots=True)
class Door:
    """Who may call.

    Attributes:
        token: of Cube; None where only this machine can reach the service.
        closed: whether there is no token although other machines can.
    """

    token: SecretStr | None
    closed: bool

    def check(self, authorization: str | None) -> None:
        """Refuse whoever may not call.

        Raises:
            CubeDoorClosed: nobody may, without a token.
            CubeUnauthorized: the token is missing or wrong.
        """
        if self.closed:
            raise CubeDoorClosed(
                "without FLOE_SEMANTIC_CUBE_TOKEN bundles are given to this machine only",
                hint="set FLOE_SEMANTIC_CUBE_TOKEN here and FLOE_CUBE_TOKEN for Cube, to the same secret",
            )
        if self.token is not None and not bears(authorization, self.token):
            raise CubeUnauthorized("the bearer token is missing or wrong", hint="set FLOE_CUBE_TOKEN for Cube")

    def endpoint(self, answer: Endpoint) -> Endpoint:
        """`answer` behind the door; what it raises is answered with a problem document."""

        async def answered(request: Request) -> Response:
            try:
                self.check(request.headers.get("Authorization"))
                return await answer(request)
            except ClientDisconnect:
                return Response(status_code=400)  # nobody is there to read it
            except FloeError as error:
                return _refusal(request, error)
            except Exception:  # noqa: BLE001 -- told to the log; the caller gets a problem document like any other
                _log.exception("request.failed", path=request.url.path)
                return _refusal(request, FloeError("the semantic service failed", hint="its log says why"))

        return answered


async def read_body(request: Request, most: int) -> bytes:
    """The body of a request.

    Raises:
        CubeRequestTooLarge: it has more than `most` bytes.
        CubeRequestInvalid: it did not arrive in time.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise CubeRequestTooLarge(f"the body has more than {most} bytes")
    except TimeoutError as error:
        raise CubeRequestInvalid(f"the body did not arrive within {_BODY_SECONDS:g} s") from error
    return bytes(body)


def _refusal(request: Request, error: FloeError) -> Response:
    status = 503 if isinstance(error, Transient) else _STATUS.get(type(error), 500)
    headers = {}
    if status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    # A Cube that asks each second is told each second: that is no news.
    log = _log.error if status == 500 else _log.debug
    log("request.refused", path=request.url.path, status=status, error=str(error))
    return JSONResponse(Problem.of(error).model_dump(exclude_none=True), status_code=status, headers=headers)
