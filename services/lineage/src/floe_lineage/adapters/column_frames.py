"""What goes between the service and the process that reads SQL: four bytes of length, then JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

import orjson
from pydantic import TypeAdapter

from floe_lineage.core.columns.model import ColumnLineage, Statement

LENGTH_BYTES: Final = 4

_STATEMENT: Final = TypeAdapter(Statement)
_LINEAGE: Final = TypeAdapter(ColumnLineage)


def framed(told: Statement | ColumnLineage) -> bytes:
    """The bytes of one frame; what is no text in UTF-8 is replaced."""
    try:
        body = orjson.dumps(told)
    except orjson.JSONEncodeError:  # a lone surrogate, which JSON may carry and UTF-8 not
        body = orjson.dumps(_encodable(asdict(told)))
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def statement_of(body: bytes) -> Statement:
    """The statement in a frame."""
    return _STATEMENT.validate_json(body)


def lineage_of(body: bytes) -> ColumnLineage:
    """The result in a frame."""
    return _LINEAGE.validate_json(body)


def _encodable(value: object) -> object:
    match value:
        case str():
            return value.encode(errors="replace").decode()
        case dict():
            return {_encodable(key): _encodable(entry) for key, entry in value.items()}
        case list() | tuple():
            return [_encodable(entry) for entry in value]
        case _:
            return value
