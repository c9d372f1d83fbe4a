"""What the REST catalog for tests does about tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pyiceberg.exceptions import NoSuchNamespaceError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from floe_lakehouse.locations import local_path
from floe_lakehouse.testing import rest_answers as answers
from floe_lakehouse.testing import rest_commits
from floe_lakehouse.testing.rest_namespaces import namespace_of
from floe_lakehouse.testing.rest_state import RestServer

_DELEGATION: Final = "x-iceberg-access-delegation"
_VENDED: Final = "vended-credentials"


def table_of(request: Request) -> tuple[str, ...]:
    """The table that a path names."""
    return (*namespace_of(request), request.path_params["table"])


def list_tables(server: RestServer, request: Request, body: Any) -> Response:
    """Those in a namespace."""
    del body
    levels = namespace_of(request)
    if not server.catalog.namespace_exists(levels):
        raise NoSuchNamespaceError(f"Namespace does not exist: {'.'.join(levels)}")
    found = [{"namespace": list(name[:-1]), "name": name[-1]} for name in sorted(server.catalog.list_tables(levels))]
    return answers.page("identifiers", found, request.query_params, server.page_size)


def create_table(server: RestServer, request: Request, body: Any) -> Response:
    """A new one, or what it would be; the commit that creates it comes later then."""
    given, levels = answers.creation(body), namespace_of(request)
    if not server.catalog.namespace_exists(levels):
        raise NoSuchNamespaceError(f"Namespace does not exist: {'.'.join(levels)}")
    # pyiceberg's metastores refuse nested namespaces here; what they store is one dotted name.
    identifier = (".".join(levels), given.name)
    if not given.staged:
        return answers.loaded(server.catalog.create_table(identifier, **given.arguments), _keys(server, request))
    if server.catalog.table_exists(identifier):
        return answers.problem(409, "AlreadyExistsException", f"{given.name} exists")
    staged = server.catalog._create_staged_table(identifier, **given.arguments)  # noqa: SLF001 - it has no public name
    _make_folders(staged.location())
    return answers.staged(staged, _keys(server, request))


def load_table(server: RestServer, request: Request, body: Any) -> Response:
    """Its metadata, and keys for its files where they are asked for."""
    del body
    return answers.loaded(server.catalog.load_table(table_of(request)), _keys(server, request))


def load_credentials(server: RestServer, request: Request, body: Any) -> Response:
    """Keys for its files."""
    del body
    location = server.catalog.load_table(table_of(request)).location()
    return JSONResponse(answers.credentials(location, server.table_config))


def has_table(server: RestServer, request: Request, body: Any) -> Response:
    """Whether it is there."""
    del body
    return answers.there(server.catalog.table_exists(table_of(request)))


def drop_table(server: RestServer, request: Request, body: Any) -> Response:
    """It goes; its files too, if that is asked for."""
    del body
    purge = request.query_params.get("purgeRequested", "").lower() == "true"
    (server.catalog.purge_table if purge else server.catalog.drop_table)(table_of(request))
    return answers.nothing()


def register_table(server: RestServer, request: Request, body: Any) -> Response:
    """A table whose metadata are there already."""
    identifier = (*namespace_of(request), body["name"])
    return answers.loaded(
        server.catalog.register_table(identifier, body["metadata-location"], overwrite=body.get("overwrite", False)),
        _keys(server, request),
    )


def rename_table(server: RestServer, request: Request, body: Any) -> Response:
    """Another name, in another namespace perhaps."""
    del request
    source, target = ((*body[side]["namespace"], body[side]["name"]) for side in ("source", "destination"))
    server.catalog.rename_table(source, target)
    return answers.nothing()


def commit_table(server: RestServer, request: Request, body: Any) -> Response:
    """A change of one table."""
    rest_commits.commit_table(server.catalog, table_of(request), body)
    return answers.committed(server.catalog.load_table(table_of(request)))


def commit_tables(server: RestServer, request: Request, body: Any) -> Response:
    """A change of several tables."""
    del request
    rest_commits.commit_tables(server.catalog, body)
    return answers.nothing()


def report_metrics(server: RestServer, request: Request, body: Any) -> Response:
    """Nobody looks at them."""
    del server, request, body
    return answers.nothing()


def _keys(server: RestServer, request: Request) -> Mapping[str, str]:
    return server.table_config if _VENDED in request.headers.get(_DELEGATION, "") else {}


def _make_folders(location: str) -> None:
    """A store of objects has no folders; on a disk, DuckDB wants those of a table to be there."""
    if path := local_path(location):
        for name in ("data", "metadata"):
            (path / name).mkdir(parents=True, exist_ok=True)
