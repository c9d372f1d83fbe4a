"""What the REST catalog for tests does about namespaces."""

from __future__ import annotations

from typing import Any, Final

from pyiceberg.exceptions import NamespaceNotEmptyError, NoSuchNamespaceError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from floe_lakehouse.testing import rest_answers as answers
from floe_lakehouse.testing.rest_state import RestServer

_LEVELS: Final = "\x1f"


def namespace_of(request: Request) -> tuple[str, ...]:
    """The namespace that a path names."""
    return tuple(request.path_params["namespace"].split(_LEVELS))


def list_namespaces(server: RestServer, request: Request, body: Any) -> Response:
    """Those right below the parent."""
    del body
    parent = request.query_params.get("parent", "")
    found = sorted(server.catalog.list_namespaces(tuple(parent.split(_LEVELS)) if parent else ()))
    return answers.page("namespaces", [list(levels) for levels in found], request.query_params, server.page_size)


def create_namespace(server: RestServer, request: Request, body: Any) -> Response:
    """A new one; what stands above it exists."""
    del request
    levels, properties = tuple(body["namespace"]), body.get("properties", {})
    if len(levels) > 1 and not server.catalog.namespace_exists(levels[:-1]):
        raise NoSuchNamespaceError(f"Namespace does not exist: {'.'.join(levels[:-1])}")
    server.catalog.create_namespace(levels, properties)
    return JSONResponse({"namespace": list(levels), "properties": properties})


def load_namespace(server: RestServer, request: Request, body: Any) -> Response:
    """Its properties."""
    del body
    levels = namespace_of(request)
    return JSONResponse({"namespace": list(levels), "properties": server.catalog.load_namespace_properties(levels)})


def has_namespace(server: RestServer, request: Request, body: Any) -> Response:
    """Whether it is there."""
    del body
    return answers.there(server.catalog.namespace_exists(namespace_of(request)))


def drop_namespace(server: RestServer, request: Request, body: Any) -> Response:
    """It goes, if nothing is in it."""
    del body
    levels = namespace_of(request)
    if server.catalog.namespace_exists(levels) and server.catalog.list_namespaces(levels):
        raise NamespaceNotEmptyError(f"Namespace has namespaces in it: {'.'.join(levels)}")
    server.catalog.drop_namespace(levels)
    return answers.nothing()


def change_namespace(server: RestServer, request: Request, body: Any) -> Response:
    """Some of its properties are set, others go."""
    removals, updates = set(body.get("removals", ())), body.get("updates", {})
    if removals & updates.keys():
        return answers.problem(422, "UnprocessableEntityException", "a property cannot both go and be set")
    done = server.catalog.update_namespace_properties(namespace_of(request), removals, updates)
    return JSONResponse({"updated": done.updated, "removed": done.removed, "missing": done.missing})
