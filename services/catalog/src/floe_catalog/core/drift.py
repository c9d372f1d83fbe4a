"""How a table differs from what its project declares of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from floe_catalog.core.declared_tables import DeclaredColumn, DeclaredTable
from floe_contracts.events import TableColumn, TableDrift, TableSchema

MISSING_TABLE: Final = (TableDrift(kind="missing_table"),)
_FIELD_ID: Final = re.compile(r"(?<![\w.])\d+: ")
_FIELD: Final = re.compile(r"(?P<transform>[a-z]+(?:\[\d+\])?)\((?P<column>.+)\)")


def table_drift(declared: DeclaredTable, found: TableSchema, types: Mapping[str, str]) -> tuple[TableDrift, ...]:
    """What differs, in the order of the declared columns, then of the table's.

    Columns that the project does not declare count only where it declares all of them, as an enforced contract does. A
    landing writes every column as optional, whatever dbt has tested; so a column differs in nullability where the table
    demands values that the project does not promise.

    Args:
        declared: what the project says.
        found: what the table has.
        types: the warehouse's words for types -> Iceberg types; one that is not there is not compared.
    """
    present = {column.name.casefold(): column for column in found.columns}
    names = {column.name.casefold() for column in declared.columns}
    differences: list[TableDrift] = []
    for column in declared.columns:
        differences += _column(column, present.get(column.name.casefold()), types, enforced=declared.enforced)
    if declared.enforced and declared.columns:
        differences += [
            TableDrift(kind="extra_column", column=column.name, found=without_ids(column.type))
            for column in found.columns
            if column.name.casefold() not in names
        ]
    return (*differences, *_partition(declared, found))


def without_ids(spelled: str) -> str:
    """An Iceberg type without the ids of its nested fields, which every table has of its own."""
    return _FIELD_ID.sub("", spelled)


def _column(
    declared: DeclaredColumn, found: TableColumn | None, types: Mapping[str, str], *, enforced: bool
) -> Iterator[TableDrift]:
    if found is None:
        yield TableDrift(kind="missing_column", column=declared.name, declared=declared.data_type)
        return
    wanted, is_type = types.get(declared.data_type or ""), without_ids(found.type)
    if wanted is not None and wanted != is_type:
        yield TableDrift(kind="type", column=declared.name, declared=wanted, found=is_type)
    if enforced and found.required and not declared.not_null:
        yield TableDrift(kind="nullability", column=declared.name, declared="optional", found="required")


def _partition(declared: DeclaredTable, found: TableSchema) -> Iterator[TableDrift]:
    # Of a table that dbt writes itself, `meta.floe.landing` says nothing.
    if declared.attached or {*map(_field, declared.partition_by)} == {*map(_field, found.partition_by)}:
        return
    yield TableDrift(
        kind="partition",
        declared=", ".join(declared.partition_by) or "none",
        found=", ".join(found.partition_by) or "none",
    )


def _field(field: str) -> str:
    """A partition field as fields are compared: columns without regard to case."""
    named = _FIELD.fullmatch(field)
    return f"{named['transform']}({named['column'].casefold()})" if named else field.casefold()
