"""How the schema of a table may change from one landing to the next.

Columns may be added and widened; a column that a landing no longer has stays and reads as null. Everything else breaks
readers and is refused. The rules are Iceberg's schema evolution (format 2), without string <-> binary; they are
checked here because pyiceberg 0.12 lets a decimal change its scale and a narrowed column pass.
"""

from __future__ import annotations

from collections.abc import Iterator

from pyiceberg.schema import Schema
from pyiceberg.table import Transaction
from pyiceberg.types import (
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    StructType,
)

from floe_lakehouse.errors import BrokenColumn, SchemaBroken


def check_evolution(table: str, current: Schema, wanted: Schema) -> None:
    """Check that a table with the schema `current` can take rows of the schema `wanted`.

    Raises:
        SchemaBroken: naming every column that would break readers.
    """
    if broken := tuple(_broken_fields("", current.as_struct(), wanted.as_struct())):
        raise SchemaBroken(table, broken)


def evolve(transaction: Transaction, wanted: Schema) -> None:
    """Add and widen columns in `transaction` until the table can take rows of the schema `wanted`.

    Only for a schema that `check_evolution` has let pass. Stages nothing when the table can already.
    """
    with transaction.update_schema() as update:
        update.union_by_name(wanted)


def _broken_fields(path: str, current: StructType, wanted: StructType) -> Iterator[BrokenColumn]:
    kept = {field.name: field for field in current.fields}
    spellings = {field.name.casefold(): field.name for field in current.fields}
    for field in wanted.fields:
        place = f"{path}{field.name}"
        known = kept.get(field.name)
        if known is not None:
            yield from _broken(place, known.field_type, field.field_type)
        elif (spelling := spellings.get(field.name.casefold())) is not None:
            # DuckDB takes both for one name, Iceberg for two: the old column would silently become null.
            yield BrokenColumn(place, f'spelled "{spelling}"', f'spelled "{field.name}"')
    names = {field.name for field in wanted.fields}
    for field in current.fields:
        if field.required and field.name not in names:
            yield BrokenColumn(f"{path}{field.name}", f"required {field.field_type}", "missing")


def _broken(path: str, old: IcebergType, new: IcebergType) -> Iterator[BrokenColumn]:
    match old, new:
        case StructType(), StructType():
            yield from _broken_fields(f"{path}.", old, new)
        case ListType(), ListType():
            yield from _broken(f"{path}.element", old.element_type, new.element_type)
        case MapType(), MapType():
            if not _same(old.key_type, new.key_type):
                yield BrokenColumn(f"{path}.key", str(old.key_type), str(new.key_type))
            yield from _broken(f"{path}.value", old.value_type, new.value_type)
        case _ if old != new and not _widens(old, new):
            yield BrokenColumn(path, str(old), str(new))


def _widens(old: IcebergType, new: IcebergType) -> bool:
    match old, new:
        case (IntegerType(), LongType()) | (FloatType(), DoubleType()):
            return True
        case DecimalType(), DecimalType():
            return new.precision > old.precision and new.scale == old.scale
    return False


def _same(old: IcebergType, new: IcebergType) -> bool:
    """Whether two types are equal but for the ids of their fields."""
    match old, new:
        case StructType(), StructType():
            return [field.name for field in old.fields] == [field.name for field in new.fields] and all(
                _same(one.field_type, other.field_type) for one, other in zip(old.fields, new.fields, strict=True)
            )
        case ListType(), ListType():
            return _same(old.element_type, new.element_type)
        case MapType(), MapType():
            return _same(old.key_type, new.key_type) and _same(old.value_type, new.value_type)
    return old == new
