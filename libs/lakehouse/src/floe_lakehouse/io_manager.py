"""Dagster's IO manager for Iceberg: assets written from Arrow and DuckDB, inputs read as the type that asks for them.

It needs Dagster, which the extra `dagster` installs. What it takes from an asset's metadata:

- `write_mode`: `replace` (the default), `append` or `upsert`. A partitioned asset always replaces its partition.
- `unique_key`: of an upsert: a column, or a list of columns.
- `partition_expr`: of a partitioned asset: the column that says to which partition a row belongs; where there are
  several dimensions, a map from each to its column.
- `allow_breaking`: `True` lets a replacing write change the type of a column.

And from an input's: `columns` (a list), `row_filter` (as in `amount > 10 and state = 'new'`) and `snapshot_id`.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final, get_args

import dagster
import duckdb
import pyarrow as pa
from pydantic import Field, PrivateAttr
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import AlwaysTrue, And, BooleanExpression
from pyiceberg.expressions.parser import parse
from pyiceberg.schema import Schema

from floe_lakehouse.arrow_reads import open_reader
from floe_lakehouse.arrow_schemas import iceberg_schema_of, landed_schema
from floe_lakehouse.arrow_writes import ArrowWrite, Mode, Written, write_arrow
from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.errors import AssetMetadataInvalid, TableMissing
from floe_lakehouse.identifiers import Identifier, dotted
from floe_lakehouse.partition_filters import PARTITION_EXPR, partition_filter
from floe_lakehouse.snapshots import PROPERTY_PREFIX
from floe_lakehouse.tables import find_table
from floe_lakehouse.types import landed_columns, projection

DAGSTER_RUN: Final = f"{PROPERTY_PREFIX}dagster-run-id"
_MODES: Final = tuple(mode for mode in get_args(Mode) if mode != "partition")
_OUTPUTS: Final = {"allow_breaking", "partition_expr", "unique_key", "write_mode"}
_INPUTS: Final = {"columns", "row_filter", "snapshot_id"}
_BATCH_ROWS: Final = 100_000


class IcebergIOManager(dagster.ConfigurableIOManager):
    """Keeps each asset in the Iceberg table of its key, below a namespace."""

    catalog: dict[str, str] = Field(description="Properties of the catalog, as `open_catalog` takes them.")
    namespace: list[str] = Field(default=[], description="Levels before those of the asset's key.")
    file_size_bytes: int = Field(default=128 * 2**20, gt=0, description="Where a data file ends, roughly.")
    _opened: Catalog | None = PrivateAttr(default=None)
    _opening: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    def handle_output(self, context: dagster.OutputContext, obj: Any) -> None:
        """Write what the asset returned; a step that is retried in its run does not write it twice.

        Raises:
            AssetMetadataInvalid: the output is no rows, or its metadata says what cannot be done.
            FloeError: whatever `write_arrow` raises.
        """
        identifier = self._identifier(context)
        name = dotted(identifier)
        reader = _opened_rows(name, obj)
        schema = iceberg_schema_of(landed_schema(name, reader.schema))
        written = write_arrow(self._open(), reader, self._write(context, identifier, schema))
        context.add_output_metadata(_told(name, written))

    def load_input(self, context: dagster.InputContext) -> Any:
        """The rows of the asset that an input reads, as its annotation says; a pyarrow.Table if it says nothing.

        A `RecordBatchReader` reads as it is asked; a table and a DuckDB relation are in memory.

        Raises:
            AssetMetadataInvalid: the annotation or the metadata says what cannot be done.
            TableMissing: the asset was never materialised.
            SnapshotMissing: the metadata names a snapshot that the table does not have.
        """
        identifier = self._identifier(context)
        name = dotted(identifier)
        table = find_table(self._open(), identifier)
        if table is None:
            raise TableMissing(f"there is no table {name}", hint="materialise the asset that this input reads")
        metadata = _known(name, context.definition_metadata, _INPUTS)
        schema = table.schema()
        try:
            reader = open_reader(
                table,
                columns=tuple(_texts(name, "columns", metadata.get("columns", ()))),
                row_filter=_row_filter(name, context, metadata, schema),
                snapshot_id=int(metadata["snapshot_id"]) if "snapshot_id" in metadata else None,
            )
        except ValueError as error:
            raise AssetMetadataInvalid(
                f"an input that reads {name} cannot be read as its metadata says: {error}",
                hint=f"the table has the columns {', '.join(schema.column_names)}",
            ) from error
        return _as_asked(name, context, reader)

    def _write(self, context: dagster.OutputContext, identifier: Identifier, schema: Schema) -> ArrowWrite:
        name = dotted(identifier)
        metadata = _known(name, context.definition_metadata, _OUTPUTS)
        mode = metadata.get("write_mode", "replace")
        if mode not in _MODES:
            raise AssetMetadataInvalid(
                f"the metadata write_mode of {name} is {mode!r}", hint=f"it is one of {', '.join(_MODES)}"
            )
        keys: list[str] = []
        partition: BooleanExpression = AlwaysTrue()
        if context.has_asset_partitions:
            if mode != "replace":
                raise AssetMetadataInvalid(
                    f"{name} has partitions, and its metadata write_mode is {mode!r}",
                    hint="a partitioned asset replaces its partition; leave write_mode out",
                )
            keys = list(context.asset_partition_keys)
            expression = metadata.get(PARTITION_EXPR)
            partition = partition_filter(name, context.asset_partitions_def, keys, expression, schema)
        made = json.dumps([context.run_id, context.step_key, sorted(keys)])
        return ArrowWrite(
            identifier=identifier,
            name=hashlib.sha256(made.encode()).hexdigest(),
            mode="partition" if context.has_asset_partitions else mode,
            unique_key=tuple(_texts(name, "unique_key", metadata.get("unique_key", ()))),
            partition=partition,
            allow_breaking=metadata.get("allow_breaking") is True,
            properties={DAGSTER_RUN: context.run_id},
            file_size_bytes=self.file_size_bytes,
        )

    def _identifier(self, context: dagster.InputContext | dagster.OutputContext) -> Identifier:
        if not context.has_asset_key:
            raise AssetMetadataInvalid(
                "the IO manager keeps assets only, and this is an op without one", hint="give it another IO manager"
            )
        return (*self.namespace, *context.asset_key.path)

    def _open(self) -> Catalog:
        with self._opening:
            if self._opened is None:
                self._opened = open_catalog(self.catalog)
            return self._opened


def _opened_rows(name: str, obj: Any) -> pa.RecordBatchReader:
    """What an asset returned, as batches that come one after another."""
    if isinstance(obj, duckdb.DuckDBPyRelation):
        columns = landed_columns(name, zip(obj.columns, obj.types, strict=True))
        return obj.project(projection(columns)).to_arrow_reader(_BATCH_ROWS)
    if isinstance(obj, pa.RecordBatchReader):
        return obj
    if hasattr(obj, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(obj)
    if not isinstance(obj, Iterator | list | tuple):
        raise AssetMetadataInvalid(
            f"the asset of {name} returned {type(obj).__name__}",
            hint="return a pyarrow.Table, a pyarrow.RecordBatchReader, a DuckDB relation or an iterator of batches",
        )
    batches = iter(obj)
    first = next(batches, None)
    if not isinstance(first, pa.RecordBatch):
        raise AssetMetadataInvalid(
            f"the asset of {name} yielded {'nothing' if first is None else type(first).__name__}",
            hint="yield pyarrow.RecordBatch; for an empty table one of no rows, which has the columns",
        )
    return pa.RecordBatchReader.from_batches(first.schema, chain([first], batches))


def _as_asked(name: str, context: dagster.InputContext, reader: pa.RecordBatchReader) -> Any:
    asked = context.dagster_type.typing_type if context.dagster_type else Any
    if asked is pa.RecordBatchReader:
        return reader
    if asked is duckdb.DuckDBPyRelation:
        return duckdb.connect().from_arrow(reader.read_all())
    if asked in (pa.Table, Any):
        return reader.read_all()
    raise AssetMetadataInvalid(
        f"an input that reads {name} is annotated as {asked}",
        hint="annotate it as pyarrow.Table, pyarrow.RecordBatchReader or duckdb.DuckDBPyRelation",
    )


def _row_filter(
    name: str, context: dagster.InputContext, metadata: dict[str, Any], schema: Schema
) -> BooleanExpression:
    found: BooleanExpression = AlwaysTrue()
    if "row_filter" in metadata:
        try:
            found = parse(str(metadata["row_filter"]))
        except Exception as error:  # the parser's own exceptions have no common class
            raise AssetMetadataInvalid(
                f"the metadata row_filter of an input that reads {name} is no filter: {error}",
                hint="write it as in: amount > 10 and state = 'new'",
            ) from error
    if context.has_asset_partitions:
        upstream = context.upstream_output
        expression = (upstream.definition_metadata if upstream else {}).get(PARTITION_EXPR)
        keys = context.asset_partition_keys
        found = And(found, partition_filter(name, context.asset_partitions_def, keys, expression, schema))
    return found


def _known(name: str, metadata: Any, known: set[str]) -> dict[str, Any]:
    """The entries of the metadata that are for this IO manager, without Dagster's wrapping."""
    values = {key: getattr(value, "value", value) for key, value in dict(metadata or {}).items() if key in known}
    if not str(values.get("snapshot_id", 0)).isdecimal():
        raise AssetMetadataInvalid(
            f"the metadata snapshot_id for {name} is {values['snapshot_id']!r}", hint="it is a number"
        )
    return values


def _texts(name: str, key: str, value: Any) -> list[str]:
    values: list[Any] = list(value) if isinstance(value, list | tuple) else [value]
    if not all(isinstance(each, str) for each in values):
        raise AssetMetadataInvalid(f"the metadata {key} for {name} is {value!r}", hint="it is a list of columns")
    return values


def _told(name: str, written: Written) -> dict[str, Any]:
    columns = [dagster.TableColumn(field.name, field.type) for field in written.fields]
    return {
        "dagster/row_count": written.total_rows,
        "dagster/column_schema": dagster.TableSchema(columns),
        "iceberg/table": name,
        "iceberg/snapshot_id": str(written.snapshot_id),
        "iceberg/rows_written": written.rows,
        "iceberg/already_written": written.already_written,
    }
