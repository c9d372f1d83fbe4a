"""A small Iceberg REST catalog over pyiceberg's SQL catalog, for tests: one warehouse, some clients, no roles.

It speaks what the clients of pyiceberg, DuckDB and Polaris ask for (https://iceberg.apache.org/rest-catalog-spec).
Commits of several tables happen all or not at all.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import uvicorn
from pyiceberg.catalog.sql import SqlCatalog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from floe_lakehouse.testing import rest_answers as answers
from floe_lakehouse.testing import rest_namespaces as namespaces
from floe_lakehouse.testing import rest_tables as tables
from floe_lakehouse.testing.rest_signatures import Signatures
from floe_lakehouse.testing.rest_state import TOKENS, WAREHOUSE, RestServer
from floe_lakehouse.testing.rest_tokens import Tokens

__all__ = ["WAREHOUSE", "RestServer", "application", "serving"]

_HOST: Final = "127.0.0.1"
_ENDS_WITHIN: Final = 10.0

Work: TypeAlias = Callable[[RestServer, Request, Any], Response]

_PREFIX: Final = f"/v1/{WAREHOUSE}"
_NAMESPACE: Final = f"{_PREFIX}/namespaces/{{namespace}}"
_TABLE: Final = f"{_NAMESPACE}/tables/{{table}}"


@contextmanager
def serving(
    catalog: SqlCatalog, *, tokens: Tokens | None = None, signatures: Signatures | None = None, **table_config: str
) -> Iterator[RestServer]:
    """A server of `catalog` at a free port, for as long as the block runs.

    Args:
        catalog: what it serves.
        tokens: who may come in; one client, `floe`, if None.
        signatures: who may come in by signing, in the place of tokens.
        table_config: the storage's keys, which it vends.
    """
    server = RestServer(catalog, table_config, signatures=signatures)
    if tokens is not None:
        server.tokens = tokens
    with socket.socket() as listener:
        listener.bind((_HOST, 0))
        listener.listen()  # who asks before the server runs waits
        server.url = f"http://{_HOST}:{listener.getsockname()[1]}"
        running = uvicorn.Server(uvicorn.Config(application(server), log_level="warning", lifespan="off"))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            running.should_exit = True
            thread.join(_ENDS_WITHIN)


def application(server: RestServer) -> Starlette:
    """The server's routes."""

    def route(path: str, **methods: Work) -> Route:
        async def endpoint(request: Request) -> Response:
            body = await request.json() if request.method == "POST" and await request.body() else {}
            return await run_in_threadpool(_answer, server, methods[request.method], request, body)

        return Route(path, endpoint, methods=list(methods))

    return Starlette(
        routes=[
            Route(TOKENS, server.tokens.grant, methods=["POST"]),
            route("/v1/config", GET=_config),
            route(f"{_PREFIX}/namespaces", GET=namespaces.list_namespaces, POST=namespaces.create_namespace),
            route(
                _NAMESPACE,
                GET=namespaces.load_namespace,
                HEAD=namespaces.has_namespace,
                DELETE=namespaces.drop_namespace,
            ),
            route(f"{_NAMESPACE}/properties", POST=namespaces.change_namespace),
            route(f"{_NAMESPACE}/tables", GET=tables.list_tables, POST=tables.create_table),
            route(
                _TABLE,
                GET=tables.load_table,
                HEAD=tables.has_table,
                POST=tables.commit_table,
                DELETE=tables.drop_table,
            ),
            route(f"{_TABLE}/credentials", GET=tables.load_credentials),
            route(f"{_TABLE}/metrics", POST=tables.report_metrics),
            route(f"{_NAMESPACE}/register", POST=tables.register_table),
            route(f"{_PREFIX}/tables/rename", POST=tables.rename_table),
            route(f"{_PREFIX}/transactions/commit", POST=tables.commit_tables),
        ],
        middleware=[Middleware(_Door, server=server)],
        exception_handlers={HTTPException: _no_such_path},
    )


class _Door(BaseHTTPMiddleware):
    """Notes each request, and lets those in that bring a token, or a signature where the server takes these."""

    def __init__(self, app: Any, server: RestServer) -> None:
        super().__init__(app)
        self._server = server

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        server = self._server
        server.asked.append(f"{request.method} {request.url.path}")
        server.askers.append(server.tokens.client_of(request))
        if request.url.path != TOKENS:
            if server.refusals:
                status = server.refusals.pop(0)
                return answers.problem(status, "RefusedException", f"this was to be answered {status}")
            signed = server.signatures
            if refusal := server.tokens.refusal(request) if signed is None else await signed.refusal(request):
                return refusal
        return await call_next(request)


def _answer(server: RestServer, work: Work, request: Request, body: Any) -> Response:
    with server.lock:
        try:
            return work(server, request, body)
        except Exception as error:  # noqa: BLE001 - every failure of the catalog is an answer of the server
            return answers.failure(error)


async def _no_such_path(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return answers.problem(status, "BadRequestException", f"there is no {request.method} {request.url.path}")


def _config(server: RestServer, request: Request, body: Any) -> Response:
    del server, body
    if request.query_params.get("warehouse", WAREHOUSE) != WAREHOUSE:
        return answers.problem(404, "NoSuchWarehouseException", f"there is one warehouse, {WAREHOUSE}")
    return JSONResponse({"defaults": {}, "overrides": {"prefix": WAREHOUSE}, "endpoints": answers.ENDPOINTS})
