"""How the schema of a table may change from one landing to the next.

Columns may be added and widened; a column that a landing no longer has stays and reads as null. Everything else breaks
readers and is refused, unless the run was allowed to: then the column goes, and a new one of that name comes with a
field id of its own. The rules are Iceberg's schema evolution (format 2), without string <-> binary; they are checked
here because pyiceberg 0.12 lets a decimal change its scale and a narrowed column pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pyiceberg.schema import Schema
from pyiceberg.table import Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.types import (
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StructType,
)

from floe_lakehouse.errors import BrokenColumn, SchemaBroken


def check_evolution(
    table: str, metadata: TableMetadata, wanted: Schema, *, allow_breaking: bool = False
) -> tuple[str, ...]:
    """Check that a table can take rows of the schema `wanted`.

    Args:
        table: its name, for the error.
        metadata: the table as it is.
        wanted: the schema of the rows.
        allow_breaking: whether columns may go where nothing else helps; never one by which the table is parted, or
            was: its old files could not be read without it.

    Returns:
        The columns that go.

    Raises:
        SchemaBroken: naming every column that would break readers.
    """
    parted = {field.source_id for spec in metadata.specs().values() for field in spec.fields}
    broken: list[BrokenColumn] = []
    going: list[str] = []
    for column, problems in _broken_columns(metadata.schema(), wanted):
        if problems and allow_breaking and column.field_id not in parted:
            going.append(column.name)
        else:
            broken += problems
    if broken:
        raise SchemaBroken(table, broken)
    return tuple(going)


def evolve(transaction: Transaction, wanted: Schema, going: Sequence[str] = ()) -> None:
    """Drop the columns `going`, then add and widen columns until the table can take rows of the schema `wanted`.

    Only for what `check_evolution` has let pass. Stages nothing when the table can already.
    """
    if going:
        with transaction.update_schema(allow_incompatible_changes=True) as update:
            for name in going:
                update.delete_column(name)
    with transaction.update_schema() as update:
        update.union_by_name(wanted)


def _broken_columns(current: Schema, wanted: Schema) -> Iterator[tuple[NestedField, tuple[BrokenColumn, ...]]]:
    """The columns of the table that what is wanted concerns, each with what breaks in it."""
    for field in wanted.fields:
        if (column := _counterpart(current.as_struct(), field)) is not None:
            yield column, tuple(_broken_field("", column, field))
    for column in _missing(current.as_struct(), wanted.as_struct()):
        yield column, (BrokenColumn(column.name, f"required {column.field_type}", "missing"),)


def _counterpart(current: StructType, field: NestedField) -> NestedField | None:
    """The field of the same name, or else of a name that only differs in case."""
    same = [one for one in current.fields if one.name.casefold() == field.name.casefold()]
    return next((one for one in same if one.name == field.name), same[0] if same else None)


def _missing(current: StructType, wanted: StructType) -> Iterator[NestedField]:
    names = {field.name for field in wanted.fields}
    return (field for field in current.fields if field.required and field.name not in names)


def _broken_field(path: str, known: NestedField, field: NestedField) -> Iterator[BrokenColumn]:
    place = f"{path}{field.name}"
    if known.name == field.name:
        yield from _broken(place, known.field_type, field.field_type)
    else:
        # DuckDB takes both for one name, Iceberg for two: the old column would silently become null.
        yield BrokenColumn(place, f'spelled "{known.name}"', f'spelled "{field.name}"')


def _broken_fields(path: str, current: StructType, wanted: StructType) -> Iterator[BrokenColumn]:
    for field in wanted.fields:
        if (known := _counterpart(current, field)) is not None:
            yield from _broken_field(path, known, field)
    for field in _missing(current, wanted):
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
