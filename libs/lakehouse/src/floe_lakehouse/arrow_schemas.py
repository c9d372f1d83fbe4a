"""The Arrow types that Iceberg tables hold, and what becomes of the others.

Iceberg (format 2) has no unsigned or small integers, no nanoseconds, no dictionaries. As with DuckDB's types
(`floe_lakehouse.types`) no value is lost but the nanoseconds of a timestamp; a type without any form is refused.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa
from pyarrow import types as arrow
from pyiceberg.io.pyarrow import _pyarrow_to_schema_without_ids
from pyiceberg.schema import Schema, assign_fresh_schema_ids

from floe_lakehouse.errors import UnsupportedColumn, UnsupportedColumnType

_SAME: Final = frozenset(
    {
        pa.bool_(),
        pa.int32(),
        pa.int64(),
        pa.float32(),
        pa.float64(),
        pa.date32(),
        pa.time64("us"),
        pa.string(),
        pa.binary(),
        pa.timestamp("us"),
        pa.timestamp("us", "UTC"),
    }
)
_CAST: Final = {
    pa.int8(): pa.int32(),
    pa.int16(): pa.int32(),
    pa.uint8(): pa.int32(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
    pa.float16(): pa.float32(),
    pa.date64(): pa.date32(),
    pa.time32("s"): pa.time64("us"),
    pa.time32("ms"): pa.time64("us"),
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.large_binary(): pa.binary(),
    pa.binary_view(): pa.binary(),
}


def landed_schema(table: str, schema: pa.Schema) -> pa.Schema:
    """`schema` in types that Iceberg holds, every column optional, without metadata.

    Args:
        table: what messages call the table.
        schema: of the rows that are to be written.

    Raises:
        UnsupportedColumnType: columns of types without an Iceberg form; names all of them.
    """
    unfit: list[UnsupportedColumn] = []
    fields: list[pa.Field] = []
    for field in schema:
        try:
            fields.append(pa.field(field.name, _landed(field.type)))
        except _NoIcebergForm as none:
            unfit.append(UnsupportedColumn(field.name, str(field.type), str(none.args[0])))
    if unfit:
        raise UnsupportedColumnType(table, unfit)
    return pa.schema(fields)


def iceberg_schema_of(schema: pa.Schema) -> Schema:
    """The Iceberg schema of a landed one; its field ids are unique, and the table has its own."""
    return assign_fresh_schema_ids(_pyarrow_to_schema_without_ids(schema))


def landed_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """`batch` in the types of `schema`, which `landed_schema` made of its own; without the end of its nanoseconds.

    Raises:
        pyarrow.ArrowInvalid: the batch has other columns, or a value that the type does not hold.
    """
    if batch.schema.names != schema.names:
        raise pa.ArrowInvalid(f"a batch has the columns {batch.schema.names}, and the first had {schema.names}")
    columns = [
        column.cast(field.type, safe=not arrow.is_timestamp(column.type))
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


class _NoIcebergForm(Exception):
    """Carries the Arrow type that has no Iceberg form."""


def _landed(kind: pa.DataType) -> pa.DataType:
    if kind in _SAME or arrow.is_decimal128(kind) or arrow.is_fixed_size_binary(kind):
        return kind
    if kind in _CAST:
        return _CAST[kind]
    if arrow.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    if arrow.is_dictionary(kind):
        return _landed(kind.value_type)
    if arrow.is_decimal(kind) and kind.precision <= 38:
        return pa.decimal128(kind.precision, kind.scale)
    if arrow.is_list(kind) or arrow.is_large_list(kind) or arrow.is_fixed_size_list(kind):
        return pa.list_(pa.field("element", _landed(kind.value_type)))
    if arrow.is_map(kind):
        return pa.map_(_landed(kind.key_type), _landed(kind.item_type))
    if arrow.is_struct(kind):
        return pa.struct([pa.field(part.name, _landed(part.type)) for part in kind])
    if isinstance(kind, pa.ExtensionType):
        return _landed(kind.storage_type)
    raise _NoIcebergForm(kind)
