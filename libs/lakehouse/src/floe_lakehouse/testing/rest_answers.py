"""What the REST catalog for tests answers, and how it reads what it is asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
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


def loaded(table: Table, config: Mapping[str, str]) -> Response:
    """A table as it is."""
    return _table(TableResponse(**{"metadata-location": table.metadata_location}, metadata=table.metadata), config)


def staged(table: StagedTable, config: Mapping[str, str]) -> Response:
    """A table as it would be."""
    return _table(TableResponse(metadata=table.metadata), config)


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


def _table(response: TableResponse, config: Mapping[str, str]) -> Response:
    document = json.loads(response.model_dump_json(by_alias=True, exclude_none=True))
    credentials = [{"prefix": "s3://", "config": dict(config)}] if config else []
    return JSONResponse(document | {"config": dict(config), "storage-credentials": credentials})
