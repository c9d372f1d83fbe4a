"""What the REST catalog for tests answers, and how it reads what it is asked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pyiceberg.catalog.rest import TableResponse
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NamespaceNotEmptyError,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import CommitTableRequest, StagedTable, Table
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER, SortOrder
from starlette.responses import JSONResponse, Response

ENDPOINTS: Final = [
    f"{method} /v1/{{prefix}}/{path}"
    for path, methods in {
        "namespaces": ("GET", "POST"),
        "namespaces/{namespace}": ("GET", "HEAD", "DELETE"),
        "namespaces/{namespace}/properties": ("POST",),
        "namespaces/{namespace}/tables": ("GET", "POST"),
        "namespaces/{namespace}/tables/{table}": ("GET", "HEAD", "POST", "DELETE"),
        "namespaces/{namespace}/tables/{table}/credentials": ("GET",),
        "namespaces/{namespace}/tables/{table}/metrics": ("POST",),
        "namespaces/{namespace}/register": ("POST",),
        "tables/rename": ("POST",),
        "transactions/commit": ("POST",),
    }.items()
    for method in methods
]

_FAILURES: Final[tuple[tuple[type[Exception], int, str], ...]] = (
    (NoSuchTableError, 404, "NoSuchTableException"),
    (NoSuchNamespaceError, 404, "NoSuchNamespaceException"),
    (TableAlreadyExistsError, 409, "AlreadyExistsException"),
    (NamespaceAlreadyExistsError, 409, "AlreadyExistsException"),
    (NamespaceNotEmptyError, 409, "NamespaceNotEmptyException"),
    (CommitFailedException, 409, "CommitFailedException"),
    (ValidationError, 400, "BadRequestException"),
    (ValueError, 400, "BadRequestException"),
    (KeyError, 400, "BadRequestException"),
)


@dataclass(frozen=True, slots=True)
class Creation:
    """A table that is to be created, or only prepared for a commit that creates it."""

    name: str
    staged: bool
    arguments: Mapping[str, Any]


def creation(body: Mapping[str, Any]) -> Creation:
    """Read the request that creates a table."""
    spec, order = body.get("partition-spec"), body.get("write-order")
    return Creation(
        body["name"],
        bool(body.get("stage-create")),
        {
            "schema": Schema.model_validate(body["schema"]),
            "location": body.get("location"),
            "partition_spec": PartitionSpec.model_validate(spec) if spec else UNPARTITIONED_PARTITION_SPEC,
            "sort_order": SortOrder.model_validate(order) if order else UNSORTED_SORT_ORDER,
            "properties": body.get("properties", {}),
        },
    )


def change(body: Mapping[str, Any], identifier: tuple[str, ...]) -> CommitTableRequest:
    """Read the request that changes a table."""
    named = {"namespace": list(identifier[:-1]), "name": identifier[-1]}
    return CommitTableRequest.model_validate({**body, "identifier": named})


def loaded(table: Table, keys: Mapping[str, str]) -> Response:
    """A table as it is, with keys that open its files."""
    response = TableResponse(**{"metadata-location": table.metadata_location}, metadata=table.metadata)
    return _table(response, table.location(), keys)


def staged(table: StagedTable, keys: Mapping[str, str]) -> Response:
    """A table as it would be, with keys that open its files."""
    return _table(TableResponse(metadata=table.metadata), table.location(), keys)


def committed(table: Table) -> Response:
    """A table after a commit: where its metadata is, and what they say."""
    document = {"metadata-location": table.metadata_location, "metadata": _document(table.metadata)}
    return JSONResponse(document)


def credentials(location: str, keys: Mapping[str, str]) -> dict[str, Any]:
    """Keys that open what is under a location."""
    return {"storage-credentials": [{"prefix": location, "config": dict(keys)}] if keys else []}


def page(name: str, found: Sequence[Any], asked: Mapping[str, str], largest: int) -> Response:
    """A part of what was found, and the token of the next; all of it for a client that asks for no page."""
    if "pageToken" not in asked and "pageSize" not in asked:
        return JSONResponse({name: found})
    size, start = min(int(asked.get("pageSize") or largest), largest), int(asked.get("pageToken") or 0)
    if size < 1 or start < 0:
        raise ValueError("a page begins at its token and has one entry at least")
    following = str(start + size) if start + size < len(found) else None
    return JSONResponse({name: found[start : start + size], "next-page-token": following})


def there(found: bool) -> Response:
    """Whether something is there."""
    return Response(status_code=204 if found else 404)


def nothing() -> Response:
    """Done."""
    return Response(status_code=204)


def failure(error: Exception) -> Response:
    """The answer that an error of the catalog is."""
    for kind, status, name in _FAILURES:
        if isinstance(error, kind):
            return problem(status, name, str(error))
    return problem(500, type(error).__name__, str(error))


def problem(status: int, kind: str, message: str) -> Response:
    """An error as the protocol has it."""
    return JSONResponse({"error": {"message": message, "type": kind, "code": status}}, status)


def _table(response: TableResponse, location: str, keys: Mapping[str, str]) -> Response:
    return JSONResponse(_document(response) | {"config": dict(keys)} | credentials(location, keys))


def _document(model: BaseModel) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(model.model_dump_json(by_alias=True, exclude_none=True))
    return document
