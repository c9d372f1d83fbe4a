"""Fields inside of columns: DuckDB finds them by their names, Iceberg by their ids."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import pyarrow_to_schema
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.name_mapping import NameMapping
from pyiceberg.types import IcebergType, ListType, MapType, NestedField, StructType

from floe_lakehouse.errors import UpsertUnsupported
from floe_lakehouse.identifiers import dotted
from floe_lakehouse.table_rows import AlikeFiles


def check_nesting(table: Table, schema: Schema, mapping: NameMapping | None, alike: Sequence[AlikeFiles]) -> None:
    """See that an upsert reads the fields inside of columns rightly; takes what `unreadable_nesting` does.

    Raises:
        UpsertUnsupported: it would not.
    """
    if reason := unreadable_nesting(table, schema, mapping, alike):
        raise UpsertUnsupported(reason, hint="let the node replace its table")


def unreadable_nesting(
    table: Table, schema: Schema, mapping: NameMapping | None, alike: Sequence[AlikeFiles]
) -> str | None:
    """Why DuckDB would read nulls, or another field, inside of a column of a table's files; None if it would not.

    Args:
        table: the table.
        schema: what its files are read as.
        mapping: the table's; finds the fields of files without field ids.
        alike: the files.

    Returns:
        A sentence: a field was renamed, another one came under its name, or a field has no id.
    """
    nested = [field for field in schema.fields if not field.field_type.is_primitive]
    for files in alike:
        present = [field for field in nested if field.field_id in files.names]
        if not present:
            continue
        try:
            written = _written_types(table, mapping or schema.name_mapping, files, present)
        except ValueError as error:
            return f"fields inside of columns have no id in {files.files[0]}: {error}"
        for field in present:
            if other := _renamed(field.field_type, written[field.field_id]):
                return (
                    f"a field inside of the column {field.name!r} of {dotted(table.name())} is called {other!r} in "
                    f"{files.files[0]}, and otherwise in the table"
                )
    return None


def _written_types(
    table: Table, mapping: NameMapping, files: AlikeFiles, columns: Sequence[NestedField]
) -> dict[int, IcebergType]:
    """The types of columns as a file has them, with the ids that the file or the mapping gives their fields."""
    with table.io.new_input(files.files[0]).open() as stream:
        footer = pq.read_schema(stream)
    only = pa.schema([footer.field(files.names[column.field_id]) for column in columns])
    written = pyarrow_to_schema(only, name_mapping=mapping)
    return {field.field_id: field.field_type for field in written.fields}


def _renamed(wanted: IcebergType, written: IcebergType) -> str | None:
    """The name of a field in a file that is another one in the table."""
    match wanted, written:
        case StructType(), StructType():
            ids = {field.field_id: field for field in wanted.fields}
            names = {field.name.casefold(): field for field in wanted.fields}
            for field in written.fields:
                same = ids.get(field.field_id)
                if same != names.get(field.name.casefold()):
                    return field.name
                if same and (found := _renamed(same.field_type, field.field_type)):
                    return found
            return None
        case ListType(), ListType():
            return _renamed(wanted.element_type, written.element_type)
        case MapType(), MapType():
            return _renamed(wanted.key_type, written.key_type) or _renamed(wanted.value_type, written.value_type)
    return None
