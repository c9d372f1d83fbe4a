"""Stands in for a server of Apache Polaris, which none of the places that packages come from has ready to start.

It serves three things over real HTTP: tokens, the management API (`polaris_management`), and the Iceberg REST API of
`floe_lakehouse.testing.rest_server` behind a door, which lets a principal do what its roles allow by the rules of
Polaris' own authorizer (`polaris_privileges`). So it shows that the official client and floe mean the same by their
requests, and that the privileges which floe grants are enough for floe's work and for nothing else. What it cannot show
is that a real server answers like this one.
"""

from __future__ import annotations

import base64
import json
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import requests
import uvicorn
from pydantic import SecretStr
from pyiceberg.catalog.sql import SqlCatalog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from floe_catalog.core.polaris_servers import PolarisServer
from floe_catalog.testing.polaris_management import WAREHOUSE, Management, Refused
from floe_catalog.testing.polaris_privileges import is_enough, needs
from floe_lakehouse.testing.rest_server import RestServer, serving

_HOST: Final = "127.0.0.1"
_MANAGEMENT: Final = "/api/management/v1/"
_CATALOG: Final = "/api/catalog"
_TOKENS: Final = f"{_CATALOG}/v1/oauth/tokens"
_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "DELETE"]
_ENDS_WITHIN: Final = 10.0
_SECONDS: Final = 30.0


@dataclass(slots=True)
class Polaris:
    """A running server with one catalog, `lake`.

    Attributes:
        lake: the Iceberg REST API behind the door.
        management: who may do what.
        url: its root.
        client_id: of the administrator.
        client_secret: of the administrator.
        realms: those that tokens were asked for.
        refused: what principals tried and were not let: principal, method and path.
    """

    lake: RestServer
    management: Management
    url: str
    client_id: str = "root"
    client_secret: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    realms: set[str | None] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    tokens: dict[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    inner_token: str = field(default="", repr=False)

    @property
    def server(self) -> PolarisServer:
        """As the settings of the catalog service name it."""
        return PolarisServer(self.url, self.client_id, SecretStr(self.client_secret))

    def properties(self, client_id: str, client_secret: str, scope: str = "PRINCIPAL_ROLE:ALL") -> dict[str, str]:
        """What a principal opens the catalog with."""
        return {
            "type": "rest",
            "uri": f"{self.url}{_CATALOG}",
            "warehouse": WAREHOUSE,
            "credential": f"{client_id}:{client_secret}",
            "oauth2-server-uri": f"{self.url}{_TOKENS}",
            "scope": scope,
        }


@contextmanager
def serving_polaris(catalog: SqlCatalog) -> Iterator[Polaris]:
    """A server of `catalog` at a free port, for as long as the block runs."""
    with serving(catalog) as lake, socket.socket() as listener:
        listener.bind((_HOST, 0))
        listener.listen()  # who asks before the server runs waits
        url = f"http://{_HOST}:{listener.getsockname()[1]}"
        polaris = Polaris(lake, Management(catalog.namespace_exists), url)
        running = uvicorn.Server(uvicorn.Config(_application(polaris), log_level="warning", lifespan="off"))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield polaris
        finally:
            running.should_exit = True
            thread.join(_ENDS_WITHIN)


def _application(polaris: Polaris) -> Starlette:
    async def endpoint(request: Request) -> Response:
        body = await request.body()
        try:
            return await run_in_threadpool(_answer, polaris, request, body)
        except Refused as error:
            told = {"message": str(error), "type": type(error).__name__, "code": error.status}
            return JSONResponse({"error": told}, error.status)

    return Starlette(routes=[Route("/{path:path}", endpoint, methods=_METHODS)])


def _answer(polaris: Polaris, request: Request, body: bytes) -> Response:
    path = request.scope["raw_path"].decode().partition("?")[0]
    if path == _TOKENS:
        return _token(polaris, request, dict(parse_qsl(body.decode())))
    principal, scope = polaris.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "), ("", ""))
    if not principal:
        raise Refused(401, "no valid token")
    document = json.loads(body) if body else {}
    if not path.startswith(_MANAGEMENT):
        return _iceberg(polaris, request, body, document, (principal, scope))
    if principal != polaris.client_id:
        raise Refused(403, f"{principal} is not authorized")
    told = polaris.management.answer(request.method, _parts(path, _MANAGEMENT), document)
    status = 200 if path.endswith("/reset") else {"GET": 200, "DELETE": 204}.get(request.method, 201)
    return Response(status_code=status) if told is None else JSONResponse(told, status)


def _token(polaris: Polaris, request: Request, form: dict[str, str]) -> Response:
    polaris.realms.add(request.headers.get("polaris-realm"))
    known = {polaris.client_id: (polaris.client_id, polaris.client_secret), **polaris.management.principals}
    given = (form.get("client_id", ""), form.get("client_secret", ""))
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":  # as DuckDB brings them
        user, _, password = base64.b64decode(encoded).decode().partition(":")
        given = (user, password)
    name = next((name for name, pair in known.items() if pair == given), None)
    if name is None:
        return JSONResponse({"error": "unauthorized_client", "error_description": "no such client"}, 401)
    token = secrets.token_hex(16)
    polaris.tokens[token] = (name, form.get("scope", ""))
    return JSONResponse({"access_token": token, "token_type": "bearer", "expires_in": 3600})


def _iceberg(
    polaris: Polaris, request: Request, body: bytes, document: dict[str, Any], caller: tuple[str, str]
) -> Response:
    """The answer of the server behind the door, if the caller may ask that."""
    path = request.scope["raw_path"].decode().removeprefix(_CATALOG)
    if path != "/v1/config" and caller[0] != polaris.client_id:
        delegated = "x-iceberg-access-delegation" in request.headers
        needed = needs(
            request.method, _parts(path, f"/v1/{WAREHOUSE}/"), request.query_params, document, delegated=delegated
        )
        if not is_enough(polaris.management.granted(*caller), needed):
            polaris.refused.append(f"{caller[0]} {request.method} {unquote(path)}")
            raise Refused(403, f"{caller[0]} is not authorized: {needed}")
    answered = requests.request(
        request.method,
        f"{polaris.lake.url}{path}",
        params=dict(request.query_params),
        data=body,
        headers={"Authorization": f"Bearer {_inner_token(polaris)}", "Content-Type": "application/json"},
        timeout=_SECONDS,
    )
    return Response(answered.content, answered.status_code, media_type=answered.headers.get("content-type"))


def _inner_token(polaris: Polaris) -> str:
    if not polaris.inner_token:
        lake = polaris.lake
        form = {"grant_type": "client_credentials", "client_id": lake.client_id, "client_secret": lake.client_secret}
        granted = requests.post(lake.properties["oauth2-server-uri"], data=form, timeout=_SECONDS)
        polaris.inner_token = str(granted.json()["access_token"])
    return polaris.inner_token


def _parts(path: str, prefix: str) -> list[str]:
    return [unquote(part) for part in path.removeprefix(prefix).split("/")]
