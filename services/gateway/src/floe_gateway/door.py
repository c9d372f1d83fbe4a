"""The gateway's only route: finds the endpoint, and answers every error with a problem object."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.types import Receive, Scope, Send

from floe_chassis.errors import BundleRefused, RequestFailed, RequestRefused
from floe_contracts.errors import FloeError
from floe_gateway.core.problems import answer_problem, answer_service_problem
from floe_gateway.errors import MethodUnknown, RouteUnknown

Endpoint = Callable[[Request], Awaitable[Response]]
Endpoints = Mapping[str, Mapping[str, Endpoint]]
"""By path and method."""

_log = structlog.get_logger("floe.gateway")


def front_door(endpoints: Endpoints) -> BaseRoute:
    """A route that answers everything: what no endpoint takes is told so."""
    return Mount("/", app=_Door(endpoints))


class _Door:
    def __init__(self, endpoints: Endpoints) -> None:
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
        methods = self._endpoints.get(path)
        if methods is None:
            known = ", ".join(sorted(self._endpoints))
            raise RouteUnknown(f"there is nothing at {path}", hint=f"there is {known}")
        endpoint = methods.get(request.method)
        if endpoint is None:
            raise MethodUnknown(f"{path} does not take {request.method}", hint=f"use {' or '.join(sorted(methods))}")
        return endpoint


def _refusal(request: Request, error: FloeError) -> Response:
    if isinstance(error, RequestRefused | RequestFailed):
        answer = answer_service_problem(error.problem)
    else:
        answer = answer_problem(error, unpackable=BundleRefused)
    log = _log.error if answer.status >= 500 else _log.info
    log("request.refused", path=request.url.path, status=answer.status, error=str(error))
    return JSONResponse(answer.document, status_code=answer.status, headers=answer.headers)
