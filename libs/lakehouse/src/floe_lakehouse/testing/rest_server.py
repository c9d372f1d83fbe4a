"""A small Iceberg REST catalog over pyiceberg's SQL catalog, for tests: one warehouse, one client, no roles.

It speaks what pyiceberg's and DuckDB's clients ask for (https://iceberg.apache.org/rest-catalog-spec). Commits of
several tables are checked together before the first is written.
"""

from __future__ import annotations

import base64
import contextlib
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

import uvicorn
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.io import load_file_io
from pyiceberg.table import CommitTableRequest, StagedTable
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from floe_lakehouse.locations import local_path
from floe_lakehouse.testing import rest_answers as answers

WAREHOUSE: Final = "lake"
_HOST: Final = "127.0.0.1"
_TOKENS: Final = "/v1/oauth/tokens"
_PREFIX: Final = f"/v1/{WAREHOUSE}"
_LEVELS: Final = "\x1f"
_ENDS_WITHIN: Final = 10.0

Endpoint = Callable[[Request, Any], Response]


@dataclass(slots=True)
class RestServer:
    """A running server.

    Attributes:
        catalog: what it serves.
        client_id: who may come in.
        client_secret: with this.
        table_config: what it tells of the storage with each table, such as `s3.access-key-id`.
        url: its address.
        asked: methods and paths of all requests so far.
    """

    catalog: SqlCatalog
    client_id: str = "floe"
    client_secret: str = field(default_factory=lambda: secrets.token_hex(8), repr=False)
    table_config: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set, repr=False)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def properties(self) -> dict[str, str]:
        """What pyiceberg opens it with."""
        return {
            "type": "rest",
            "uri": self.url,
            "warehouse": WAREHOUSE,
            "credential": f"{self.client_id}:{self.client_secret}",
            "oauth2-server-uri": f"{self.url}{_TOKENS}",
        }


@contextmanager
def serving(catalog: SqlCatalog, **table_config: str) -> Iterator[RestServer]:
    """A server of `catalog` at a free port, for as long as the block runs."""
    server = RestServer(catalog, table_config=table_config)
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

    def route(path: str, **methods: Endpoint) -> Route:
        async def endpoint(request: Request) -> Response:
            body = await request.json() if request.method == "POST" and await request.body() else {}
            return await run_in_threadpool(_answer, server, methods[request.method], request, body)

        return Route(path, endpoint, methods=list(methods))

    def handler(work: Callable[..., Response]) -> Endpoint:
        return lambda request, body: work(server, request, body)

    namespace, tables = f"{_PREFIX}/namespaces/{{namespace}}", f"{_PREFIX}/namespaces/{{namespace}}/tables"
    return Starlette(
        routes=[
            Route(_TOKENS, _token_endpoint(server), methods=["POST"]),
            route("/v1/config", GET=handler(_config)),
            route(f"{_PREFIX}/namespaces", GET=handler(_list_namespaces), POST=handler(_create_namespace)),
            route(
                namespace,
                GET=handler(_load_namespace),
                HEAD=handler(_has_namespace),
                DELETE=handler(_drop_namespace),
            ),
            route(f"{namespace}/properties", POST=handler(_change_namespace)),
            route(tables, GET=handler(_list_tables), POST=handler(_create_table)),
            route(
                f"{tables}/{{table}}",
                GET=handler(_load_table),
                HEAD=handler(_has_table),
                POST=handler(_commit_table),
                DELETE=handler(_drop_table),
            ),
            route(f"{tables}/{{table}}/metrics", POST=lambda request, body: answers.nothing()),
            route(f"{namespace}/register", POST=handler(_register_table)),
            route(f"{_PREFIX}/tables/rename", POST=handler(_rename_table)),
            route(f"{_PREFIX}/transactions/commit", POST=handler(_commit_tables)),
        ],
        middleware=[Middleware(_Door, server=server)],
    )


class _Door(BaseHTTPMiddleware):
    """Notes each request, and lets those in that bring a token."""

    def __init__(self, app: Any, server: RestServer) -> None:
        super().__init__(app)
        self._server = server

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        self._server.asked.append(f"{request.method} {request.url.path}")
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if request.url.path != _TOKENS and token not in self._server.tokens:
            return answers.problem(401, "NotAuthorizedException", "no valid token")
        return await call_next(request)


def _token_endpoint(server: RestServer) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        """A token; pyiceberg brings its credentials as a form, DuckDB by HTTP Basic."""
        form = dict(parse_qsl((await request.body()).decode()))
        given = (form.get("client_id", ""), form.get("client_secret", ""))
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            with contextlib.suppress(ValueError):
                user, _, password = base64.b64decode(encoded).decode().partition(":")
                given = (user, password)
        if given != (server.client_id, server.client_secret):
            return JSONResponse({"error": "invalid_client", "error_description": "unknown client"}, 401)
        token = secrets.token_hex(16)
        server.tokens.add(token)
        return JSONResponse({"access_token": token, "token_type": "bearer", "expires_in": 3600})

    return endpoint


def _answer(server: RestServer, work: Endpoint, request: Request, body: Any) -> Response:
    with server.lock:
        try:
            return work(request, body)
        except Exception as error:  # noqa: BLE001 - every failure of the catalog is an answer of the server
            return answers.failure(error)


def _config(server: RestServer, request: Request, body: Any) -> Response:
    del body
    if request.query_params.get("warehouse", WAREHOUSE) != WAREHOUSE:
        return answers.problem(404, "NoSuchWarehouseException", "there is one warehouse, lake")
    return JSONResponse(
        {"defaults": {}, "overrides": {"prefix": WAREHOUSE, **server.table_config}, "endpoints": answers.ENDPOINTS}
    )


def _namespace(request: Request) -> tuple[str, ...]:
    return tuple(request.path_params["namespace"].split(_LEVELS))


def _table(request: Request) -> tuple[str, ...]:
    return (*_namespace(request), request.path_params["table"])


def _two_parts(identifier: tuple[str, ...]) -> tuple[str, str]:
    """An identifier as pyiceberg's metastores take it where they refuse nested namespaces."""
    return ".".join(identifier[:-1]), identifier[-1]


def _list_namespaces(server: RestServer, request: Request, body: Any) -> Response:
    del body
    parent = request.query_params.get("parent", "")
    found = server.catalog.list_namespaces(tuple(parent.split(_LEVELS)) if parent else ())
    return JSONResponse({"namespaces": [list(namespace) for namespace in found]})


def _create_namespace(server: RestServer, request: Request, body: Any) -> Response:
    del request
    namespace, properties = tuple(body["namespace"]), body.get("properties", {})
    server.catalog.create_namespace(namespace, properties)
    return JSONResponse({"namespace": list(namespace), "properties": properties})


def _load_namespace(server: RestServer, request: Request, body: Any) -> Response:
    del body
    namespace = _namespace(request)
    properties = server.catalog.load_namespace_properties(namespace)
    return JSONResponse({"namespace": list(namespace), "properties": properties})


def _has_namespace(server: RestServer, request: Request, body: Any) -> Response:
    del body
    return answers.there(server.catalog.namespace_exists(_namespace(request)))


def _drop_namespace(server: RestServer, request: Request, body: Any) -> Response:
    del body
    server.catalog.drop_namespace(_namespace(request))
    return answers.nothing()


def _change_namespace(server: RestServer, request: Request, body: Any) -> Response:
    done = server.catalog.update_namespace_properties(
        _namespace(request), set(body.get("removals", ())), body.get("updates", {})
    )
    return JSONResponse({"updated": done.updated, "removed": done.removed, "missing": done.missing})


def _list_tables(server: RestServer, request: Request, body: Any) -> Response:
    del body
    found = server.catalog.list_tables(_namespace(request))
    return JSONResponse({"identifiers": [{"namespace": list(name[:-1]), "name": name[-1]} for name in found]})


def _create_table(server: RestServer, request: Request, body: Any) -> Response:
    given = answers.creation(body)
    identifier = _two_parts((*_namespace(request), given.name))
    if given.staged:
        if server.catalog.table_exists(identifier):
            return answers.problem(409, "AlreadyExistsException", f"{given.name} exists")
        staged = server.catalog._create_staged_table(identifier, **given.arguments)  # noqa: SLF001 - as commits need it
        _make_folders(staged.location())
        return answers.staged(staged, server.table_config)
    return answers.loaded(server.catalog.create_table(identifier, **given.arguments), server.table_config)


def _make_folders(location: str) -> None:
    """A store of objects has no folders; on a disk, DuckDB wants those of a table to be there."""
    if path := local_path(location):
        for name in ("data", "metadata"):
            (path / name).mkdir(parents=True, exist_ok=True)


def _load_table(server: RestServer, request: Request, body: Any) -> Response:
    del body
    return answers.loaded(server.catalog.load_table(_table(request)), server.table_config)


def _has_table(server: RestServer, request: Request, body: Any) -> Response:
    del body
    return answers.there(server.catalog.table_exists(_table(request)))


def _drop_table(server: RestServer, request: Request, body: Any) -> Response:
    del body
    drop = server.catalog.purge_table if request.query_params.get("purgeRequested") == "true" else None
    (drop or server.catalog.drop_table)(_table(request))
    return answers.nothing()


def _register_table(server: RestServer, request: Request, body: Any) -> Response:
    identifier = (*_namespace(request), body["name"])
    return answers.loaded(server.catalog.register_table(identifier, body["metadata-location"]), server.table_config)


def _rename_table(server: RestServer, request: Request, body: Any) -> Response:
    del request
    source, target = ((*body[side]["namespace"], body[side]["name"]) for side in ("source", "destination"))
    server.catalog.rename_table(source, target)
    return answers.nothing()


def _commit_table(server: RestServer, request: Request, body: Any) -> Response:
    _commit(server.catalog, _table(request), answers.change(body, _table(request)))
    table = server.catalog.load_table(_table(request))
    return answers.loaded(table, {})


def _commit_tables(server: RestServer, request: Request, body: Any) -> Response:
    del request
    changes = []
    for part in body["table-changes"]:
        identifier = (*part["identifier"]["namespace"], part["identifier"]["name"])
        changes.append((identifier, answers.change(part, identifier)))
    for identifier, change in changes:
        current = _find(server.catalog, identifier)
        for requirement in change.requirements:
            requirement.validate(current)
    for identifier, change in changes:
        _commit(server.catalog, identifier, change)
    return answers.nothing()


def _find(catalog: Catalog, identifier: tuple[str, ...]) -> Any:
    try:
        return catalog.load_table(identifier).metadata
    except NoSuchTableError:
        return None


def _commit(catalog: SqlCatalog, identifier: tuple[str, ...], change: CommitTableRequest) -> None:
    named = StagedTable(  # only its name is looked at: the catalog reads what is there
        identifier=identifier,
        metadata=catalog._empty_table_metadata(),  # noqa: SLF001 - as above
        metadata_location="",
        io=load_file_io(dict(catalog.properties)),
        catalog=catalog,
    )
    catalog.commit_table(named, change.requirements, change.updates)
