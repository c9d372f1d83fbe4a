"""How a DuckDB column becomes an Iceberg column.

Iceberg (format 2) has no unsigned or 128-bit integers, no nanoseconds, no intervals, no JSON; and DuckDB's Parquet
writer turns some of its own types into forms that pyiceberg refuses or misreads. So every column is cast explicitly on
its way out, by the table below. No value is lost, except that a timestamp's nanoseconds are cut off; a HUGEINT
of more than 38 digits is an error.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from duckdb.sqltypes import DuckDBPyType
from pyiceberg.schema import Schema
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    PrimitiveType,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
)

from floe_lakehouse.errors import UnsupportedColumn, UnsupportedColumnType, UpsertUnsupported
from floe_lakehouse.sql_text import quoted

_INTEGER: Final = ("INTEGER", IntegerType())
_BIGINT: Final = ("BIGINT", LongType())
_HUGEINT: Final = ("DECIMAL(38, 0)", DecimalType(38, 0))
_VARCHAR: Final = ("VARCHAR", StringType())
_TIMESTAMP: Final = ("TIMESTAMP", TimestampType())

# DuckDB's type id -> the DuckDB type to cast to, and the Iceberg type that it is then.
_SCALARS: Final[dict[str, tuple[str, PrimitiveType]]] = {
    "boolean": ("BOOLEAN", BooleanType()),
    "tinyint": _INTEGER,
    "smallint": _INTEGER,
    "integer": _INTEGER,
    "utinyint": _INTEGER,
    "usmallint": _INTEGER,
    "bigint": _BIGINT,
    "uinteger": _BIGINT,
    "ubigint": ("DECIMAL(20, 0)", DecimalType(20, 0)),
    "hugeint": _HUGEINT,
    "uhugeint": _HUGEINT,
    "float": ("FLOAT", FloatType()),
    "double": ("DOUBLE", DoubleType()),
    "varchar": _VARCHAR,  # JSON has this id too
    "blob": ("BLOB", BinaryType()),
    "date": ("DATE", DateType()),
    "time": ("TIME", TimeType()),
    "time_ns": _VARCHAR,  # as TIME it is rounded, at the end of a day to 24:00:00, which other readers refuse
    "timestamp": _TIMESTAMP,
    "timestamp_s": _TIMESTAMP,
    "timestamp_ms": _TIMESTAMP,
    "timestamp_ns": _TIMESTAMP,
    "timestamp with time zone": ("TIMESTAMP WITH TIME ZONE", TimestamptzType()),
    "time with time zone": _VARCHAR,  # as TIME it would lose its offset
    "uuid": _VARCHAR,
    "interval": _VARCHAR,
    "enum": _VARCHAR,
    "bit": _VARCHAR,
}


# The way back, for files that are read again: what a column of a table is in DuckDB.
_DUCKDB_TYPES: Final[dict[type[PrimitiveType], str]] = {
    BooleanType: "BOOLEAN",
    IntegerType: "INTEGER",
    LongType: "BIGINT",
    FloatType: "FLOAT",
    DoubleType: "DOUBLE",
    StringType: "VARCHAR",
    BinaryType: "BLOB",
    DateType: "DATE",
    TimeType: "TIME",
    TimestampType: "TIMESTAMP",
    TimestamptzType: "TIMESTAMP WITH TIME ZONE",
}


@dataclass(frozen=True, slots=True)
class LandedColumn:
    """A column on its way from DuckDB to Iceberg.

    Attributes:
        name: its name, the same on both sides.
        duckdb_type: the type that it is cast to, in DuckDB's spelling.
        iceberg_type: the type that it has in Iceberg; the ids of nested fields are unique, nothing more.
    """

    name: str
    duckdb_type: str
    iceberg_type: IcebergType


class _NoIcebergForm(Exception):
    """Carries the DuckDB type that has no Iceberg form."""


def landed_columns(table: str, columns: Iterable[tuple[str, DuckDBPyType]]) -> tuple[LandedColumn, ...]:
    """The columns of a table as they land.

    Args:
        table: the table's name, for the error.
        columns: names and types, as DuckDB tells them.

    Raises:
        UnsupportedColumnType: naming every column that has no Iceberg form.
    """
    ids = itertools.count(1_000)  # out of the way of the top-level columns'; Iceberg assigns its own in the end
    landed: list[LandedColumn] = []
    unsupported: list[UnsupportedColumn] = []
    for name, column_type in columns:
        try:
            duckdb_type, iceberg_type = _form(column_type, lambda: next(ids))
        except _NoIcebergForm as reason:
            unsupported.append(UnsupportedColumn(name, str(column_type), str(reason)))
        else:
            landed.append(LandedColumn(name, duckdb_type, iceberg_type))
    if unsupported:
        raise UnsupportedColumnType(table, unsupported)
    return tuple(landed)


def projection(columns: Iterable[LandedColumn]) -> str:
    """The select list that casts every column to its landed type under its own name."""
    return ", ".join(
        f"CAST({quoted(column.name)} AS {column.duckdb_type}) AS {quoted(column.name)}" for column in columns
    )


def iceberg_schema(columns: Iterable[LandedColumn]) -> Schema:
    """The Iceberg schema of the columns: all optional, as DuckDB cannot promise otherwise."""
    return Schema(
        *(
            NestedField(field_id=position, name=column.name, field_type=column.iceberg_type, required=False)
            for position, column in enumerate(columns, start=1)
        )
    )


def duckdb_type(iceberg_type: IcebergType) -> str:
    """The type of DuckDB that holds the values of a column of an Iceberg table.

    Raises:
        UpsertUnsupported: floe writes no such columns, so others made the table.
    """
    match iceberg_type:
        case DecimalType():
            return f"DECIMAL({iceberg_type.precision}, {iceberg_type.scale})"
        case ListType():
            return f"{duckdb_type(iceberg_type.element_type)}[]"
        case MapType():
            return f"MAP({duckdb_type(iceberg_type.key_type)}, {duckdb_type(iceberg_type.value_type)})"
        case StructType():
            fields = (f"{quoted(field.name)} {duckdb_type(field.field_type)}" for field in iceberg_type.fields)
            return f"STRUCT({', '.join(fields)})"
        case PrimitiveType() if type(iceberg_type) in _DUCKDB_TYPES:
            return _DUCKDB_TYPES[type(iceberg_type)]
        case _:
            raise UpsertUnsupported(
                f"floe does not rewrite columns of the type {iceberg_type}", hint="let the node replace its table"
            )


def _form(column_type: DuckDBPyType, next_id: Callable[[], int]) -> tuple[str, IcebergType]:
    match column_type.id:
        case "decimal":
            precision, scale = (value for _, value in column_type.children if isinstance(value, int))
            return f"DECIMAL({precision}, {scale})", DecimalType(precision, scale)
        case "list" | "array":
            element, iceberg = _form(_parts(column_type)[0][1], next_id)
            return f"{element}[]", ListType(element_id=next_id(), element=iceberg, element_required=False)
        case "map":
            (key, iceberg_key), (value, iceberg_value) = (_form(part, next_id) for _, part in _parts(column_type))
            iceberg_map = MapType(
                key_id=next_id(),
                key_type=iceberg_key,
                value_id=next_id(),
                value_type=iceberg_value,
                value_required=False,
            )
            return f"MAP({key}, {value})", iceberg_map
        case "struct":
            return _struct_form(column_type, next_id)
        case scalar if scalar in _SCALARS:
            return _SCALARS[scalar]
        case _:
            raise _NoIcebergForm(str(column_type))


def _struct_form(column_type: DuckDBPyType, next_id: Callable[[], int]) -> tuple[str, IcebergType]:
    spelled: list[str] = []
    fields: list[NestedField] = []
    for name, field_type in _parts(column_type):
        if not name:  # row(1, 2): Iceberg's fields have names
            raise _NoIcebergForm(str(column_type))
        duckdb_type, iceberg_type = _form(field_type, next_id)
        spelled.append(f"{quoted(name)} {duckdb_type}")
        fields.append(NestedField(field_id=next_id(), name=name, field_type=iceberg_type, required=False))
    return f"STRUCT({', '.join(spelled)})", StructType(*fields)


def _parts(column_type: DuckDBPyType) -> list[tuple[str, DuckDBPyType]]:
    """The named parts of a nested type; an array's size, which comes after its element, is none of them."""
    return [(name, part) for name, part in column_type.children if isinstance(part, DuckDBPyType)]
