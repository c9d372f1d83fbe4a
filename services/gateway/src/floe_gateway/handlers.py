"""The gateway's HTTP routes: read the request, take the submission in, answer. Errors become problem objects."""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog
from pydantic import SecretStr
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.types import Receive, Scope, Send

from floe_chassis.errors import BundleRefused
from floe_contracts.errors import FloeError
from floe_gateway.core.problems import answer_problem
from floe_gateway.core.submission import check_media_type, read_submission
from floe_gateway.errors import MethodUnknown, RouteUnknown, Unauthorized
from floe_gateway.intake import Intake, take_in

Endpoint = Callable[[Request], Awaitable[Response]]

SPECS: Final = "/v1/specs"
_log = structlog.get_logger("floe.gateway")


def routes(intake: Intake, token: SecretStr | None) -> list[BaseRoute]:
    """Everything that the gateway answers; the last route answers whatever no other does."""

    async def submit(request: Request) -> Response:
        check_token(request.headers.get("Authorization"), token)
        check_media_type(request.headers.get("Content-Type"))
        submission = read_submission(request.headers, generated=str(uuid.uuid4()))
        accepted = await take_in(intake, submission, request.stream())
        _log.info("spec.submitted", product=accepted.product, submission=accepted.submission, id=accepted.id)
        return JSONResponse(accepted.to_document(), status_code=202)

    return [Mount("/", app=_Door({SPECS: ("POST", submit)}))]


def check_token(authorization: str | None, token: SecretStr | None) -> None:
    """Refuse a caller without the token, in a time that does not depend on what was sent.

    Raises:
        Unauthorized: the header is missing or wrong.
    """
    if token is None:
        return
    expected = f"Bearer {token.get_secret_value()}".encode()
    if not hmac.compare_digest((authorization or "").encode(), expected):
        raise Unauthorized("the bearer token is missing or wrong", hint="send Authorization: Bearer <token>")


class _Door:
    """Answers each path with its endpoint, everything else and every error with a problem object."""

    def __init__(self, endpoints: Mapping[str, tuple[str, Endpoint]]) -> None:
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(Request(scope, receive, send))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._endpoint(request)(request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except FloeError as error:
            return _refusal(request, error)
        except Exception:  # noqa: BLE001 - told to the log; the caller gets a problem object like any other
            _log.exception("request.failed", path=request.url.path)
            return _refusal(request, FloeError("the gateway failed", hint="its log says why"))

    def _endpoint(self, request: Request) -> Endpoint:
        path = request.url.path
        if path not in self._endpoints:
            raise RouteUnknown(f"there is nothing at {path}", hint=f"specs are submitted to {SPECS}")
        method, endpoint = self._endpoints[path]
        if request.method != method:
            raise MethodUnknown(f"{path} does not take {request.method}", hint=f"use {method}")
        return endpoint


def _refusal(request: Request, error: FloeError) -> Response:
    answer = answer_problem(error, unpackable=BundleRefused)
    log = _log.error if answer.status >= 500 else _log.info
    log("request.refused", path=request.url.path, status=answer.status, error=str(error))
    return JSONResponse(answer.document, status_code=answer.status, headers=answer.headers)
