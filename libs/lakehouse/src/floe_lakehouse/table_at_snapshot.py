"""A table's metadata as a snapshot saw it: its schema, and which column of a file is which field.

Files that DuckDB wrote have no field ids, so their columns are found by the table's name mapping. There is one for the
whole table, of now: a column that was dropped and added anew has given its name away, and files from before would read
as null, or not at all. A snapshot's own schema says whose name it was.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyiceberg.schema import Schema
from pyiceberg.table import TableProperties
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.name_mapping import MappedField, NameMapping
from pyiceberg.table.snapshots import Snapshot


def schema_at(metadata: TableMetadata, snapshot: Snapshot) -> Schema:
    """The schema with which a snapshot was written; the table's current one if it does not say."""
    found = (one for one in metadata.schemas if one.schema_id == snapshot.schema_id)
    return next(found, None) or metadata.schema()


def name_mapping_at(metadata: TableMetadata, schema: Schema) -> NameMapping:
    """Which name is which field for files under a schema of the table.

    The names of the schema itself, then those of the table's name mapping, then those of its other schemas, the newest
    first: older files may hold columns that this schema has no longer.
    """
    known = metadata.name_mapping()
    merged = list(schema.name_mapping)
    for other in ([known] if known else []) + [one.name_mapping for one in reversed(metadata.schemas)]:
        merged = _merged(merged, other)
    return NameMapping(merged)


def metadata_at(metadata: TableMetadata, snapshot: Snapshot) -> TableMetadata:
    """The table's metadata, by which the files of a snapshot are read as they were written."""
    schema = schema_at(metadata, snapshot)
    changes: dict[str, object] = {"current_schema_id": schema.schema_id}
    if metadata.name_mapping() is not None:
        mapping = name_mapping_at(metadata, schema).model_dump_json()
        changes["properties"] = {**metadata.properties, TableProperties.DEFAULT_NAME_MAPPING: mapping}
    return metadata.model_copy(update=changes)


def _merged(first: Iterable[MappedField], second: Iterable[MappedField]) -> list[MappedField]:
    """The fields of both; a name that both have is the first's."""
    fields = {field.field_id: field for field in first}
    taken = {name for field in fields.values() for name in field.names}
    for field in second:
        names = [name for name in field.names if name not in taken]
        known = fields.get(field.field_id)
        if known is not None:
            inner = _merged(known.fields, field.fields)
            fields[field.field_id] = MappedField(field_id=field.field_id, names=[*known.names, *names], fields=inner)
        elif names:
            fields[field.field_id] = MappedField(field_id=field.field_id, names=names, fields=field.fields)
        taken.update(names)
    return list(fields.values())
