"""Writing Arrow batches into an Iceberg table: all of it, a partition of it, by key, or at its end.

The files are written first, in bounded memory, and become part of the table in one commit that also creates or evolves
it. Whatever fails before that leaves neither rows nor a table. The commit owns its loop as a landing does (see
`landing`): a write that others overtook starts over on what stands there then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitStateUnknownException
from pyiceberg.expressions import AlwaysTrue, BooleanExpression
from pyiceberg.manifest import DataFile
from pyiceberg.schema import Schema
from pyiceberg.table import Table, TableProperties, Transaction
from pyiceberg.table.snapshots import Snapshot

from floe_lakehouse import locations, snapshots
from floe_lakehouse.arrow_files import remove, write_files
from floe_lakehouse.arrow_matching import Filtered, Matching, keys_of
from floe_lakehouse.arrow_rewrites import rewritten
from floe_lakehouse.arrow_schemas import iceberg_schema_of, landed_batch, landed_schema
from floe_lakehouse.catalogs import ensure_namespace, reaching
from floe_lakehouse.commit_conflicts import OVERTAKEN, wait_to_retry
from floe_lakehouse.data_files import described
from floe_lakehouse.errors import (
    CatalogUnreachable,
    LandingConflict,
    OutsidePartition,
    TableParted,
    WriteKeyInvalid,
)
from floe_lakehouse.identifiers import Identifier, checked, dotted
from floe_lakehouse.schemas import check_evolution, evolve
from floe_lakehouse.snapshots import PROPERTY_PREFIX, SchemaField
from floe_lakehouse.staged import StagedFile
from floe_lakehouse.tables import RETRIES_OFF, find_table, io_of, plan_table

WRITE: Final = f"{PROPERTY_PREFIX}write"
"""Snapshot property that names the write, so that it is made once."""
Mode = Literal["replace", "append", "upsert", "partition"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrowWrite:
    """What is written, and what becomes of the rows that are there.

    Attributes:
        identifier: the table: namespace levels, then the name.
        name: of the write; one that the table has already is not made again.
        mode: `replace`: all rows go. `partition`: those go of which `partition` holds. `upsert`: those of the same key.
            `append`: none.
        unique_key: of an upsert: the columns that name a row.
        partition: of a partition: what holds of its rows.
        allow_breaking: whether a replacing write may change the type of a column so that readers break.
        properties: more properties for the snapshot.
        file_size_bytes: where a file ends and the next one begins, roughly.
    """

    identifier: Identifier
    name: str
    mode: Mode = "replace"
    unique_key: tuple[str, ...] = ()
    partition: BooleanExpression = field(default_factory=AlwaysTrue)
    allow_breaking: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)
    file_size_bytes: int = 128 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A table as a write left it.

    Attributes:
        snapshot_id: the snapshot that the write made.
        rows: rows that the write brought; 0 where it had been made before.
        total_rows: rows of the table then.
        fields: the columns of the table then.
        already_written: the table had the write before; nothing was committed now.
    """

    snapshot_id: int
    rows: int
    total_rows: int
    fields: tuple[SchemaField, ...]
    already_written: bool


def write_arrow(catalog: Catalog, rows: pa.RecordBatchReader, write: ArrowWrite, *, tries: int = 20) -> Written:
    """Write `rows`, which need not fit in memory; of an upsert, their keys do.

    Raises:
        InvalidIdentifier: a namespace or table name that not every catalog can hold.
        UnsupportedColumnType: columns of types without an Iceberg form.
        SchemaBroken: columns changed in a way that breaks the table's readers.
        TableParted: the table has partition fields.
        OutsidePartition: rows do not belong to the partition.
        WriteKeyInvalid: the key columns are missing, empty, or name two rows alike.
        LandingConflict: others committed first, time after time.
        CatalogUnreachable: the catalog does not answer; the commit may have arrived, a second call finds out.
        Exception: whatever reading `rows` raises.
    """
    name = dotted(checked(write.identifier, least=2))
    table = find_table(catalog, write.identifier)
    if table and (made := _made(table, write)):
        return _written(table, made, None)
    arrow = landed_schema(name, rows.schema)
    schema = iceberg_schema_of(arrow)
    _check(name, table, schema, write)
    if table is None:
        ensure_namespace(catalog, write.identifier[:-1], {})
        planned = plan_table(catalog, write.identifier, schema)
        location, io = planned.table_metadata.location, io_of(planned)
    else:
        location, io = table.location(), table.io
    incoming = _Incoming(name, arrow, schema, write)
    folder = locations.data_folder(location)
    files = write_files(io, folder, arrow, incoming.batches(rows), file_size_bytes=write.file_size_bytes)
    try:
        return _commit_in_turn(catalog, _Commit(write, schema, location, files, incoming.matching()), tries)
    except CatalogUnreachable:
        raise  # the files may be part of the table
    except BaseException:
        remove(io, [file.location for file in files])
        raise


class _Incoming:
    """The rows on their way: looked at one batch after another, remembered by their keys only."""

    def __init__(self, name: str, arrow: pa.Schema, schema: Schema, write: ArrowWrite) -> None:
        self._name, self._arrow, self._schema, self._write = name, arrow, schema, write
        self._keys: list[pa.RecordBatch] = []

    def batches(self, rows: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        for batch in rows:
            landed = landed_batch(batch, self._arrow)
            if self._write.mode == "upsert":
                self._keys.append(landed.select(list(self._write.unique_key)))
            elif self._write.mode == "partition":
                self._check_partition(landed)
            yield landed

    def matching(self) -> Matching | None:
        """Which rows of the table go; None for all or none of them."""
        if self._write.mode == "partition":
            return Filtered(self._write.partition)
        if self._write.mode == "upsert":
            key = pa.schema([self._arrow.field(name) for name in self._write.unique_key])
            return keys_of(self._name, pa.Table.from_batches(self._keys, schema=key))
        return None

    def _check_partition(self, batch: pa.RecordBatch) -> None:
        held = Filtered(self._write.partition).count(pa.Table.from_batches([batch]), self._schema)
        if held < batch.num_rows:
            raise OutsidePartition(
                f"{batch.num_rows - held} rows for {self._name} are outside of the partition {self._write.partition}",
                hint="filter them out, or write the asset without partitions",
            )


@dataclass(frozen=True, slots=True)
class _Commit:
    """Files that stand, and what is to become of them."""

    write: ArrowWrite
    schema: Schema
    location: str
    files: tuple[StagedFile, ...]
    matching: Matching | None


def _commit_in_turn(catalog: Catalog, commit: _Commit, tries: int) -> Written:
    write = commit.write
    for attempt in range(tries):
        table = find_table(catalog, write.identifier)
        if table and (made := _made(table, write)):
            return _written(table, made, commit)
        _check(dotted(write.identifier), table, commit.schema, write)
        rest: tuple[StagedFile, ...] = ()
        try:
            with reaching("the catalog"):
                if table and not table.properties.items() >= RETRIES_OFF.items():
                    with table.transaction() as transaction:
                        transaction.set_properties(RETRIES_OFF)
                    continue
                gone, rest = _replaced(table, commit)
                made_table = _commit(catalog, table, commit, gone, rest)
                if made := _made(made_table, write):
                    return _written(made_table, made, commit)
        except CommitStateUnknownException:  # the next look at the table says whether it arrived
            wait_to_retry(attempt)
        except OVERTAKEN:
            if table:
                remove(table.io, [file.location for file in rest])
            wait_to_retry(attempt)
    raise LandingConflict(
        f"{dotted(write.identifier)} could not be committed: others were faster {tries} times",
        hint="find out who else writes this table",
    )


def _replaced(table: Table | None, commit: _Commit) -> tuple[list[DataFile], tuple[StagedFile, ...]]:
    """The files that go, and new files with those of their rows that stay."""
    current = table.current_snapshot() if table else None
    if table is None or current is None or commit.write.mode == "append":
        return [], ()
    if commit.matching is None:
        return list(snapshots.data_files(table, current).values()), ()
    return rewritten(table, commit.matching, file_size_bytes=commit.write.file_size_bytes)


def _commit(
    catalog: Catalog,
    table: Table | None,
    commit: _Commit,
    gone: Sequence[DataFile],
    rest: tuple[StagedFile, ...],
) -> Table:
    """Change schema and files in one transaction and one snapshot, on exactly the snapshot that `table` shows."""
    write = commit.write
    name = dotted(write.identifier)
    transaction: Transaction
    if table is None:
        transaction = plan_table(catalog, write.identifier, commit.schema, commit.location)
    else:
        going = check_evolution(name, table.metadata, commit.schema, allow_breaking=_may_break(write))
        transaction = table.transaction()
        evolve(transaction, commit.schema, going)
    if transaction.table_metadata.name_mapping() is None:
        # The files have no field ids; columns are found by name.
        mapping = transaction.table_metadata.schema().name_mapping
        transaction.set_properties({TableProperties.DEFAULT_NAME_MAPPING: mapping.model_dump_json()})
    io = io_of(transaction)
    added = list(described(io, transaction.table_metadata, (*commit.files, *rest), ()))
    snapshot = transaction.update_snapshot(snapshot_properties={**write.properties, WRITE: write.name})
    if write.mode == "append":
        with snapshot.fast_append() as append:
            for file in added:
                append.append_data_file(file)
    else:
        with snapshot.overwrite() as overwrite:
            overwrite.delete_by_predicate(AlwaysTrue())
            for file in gone:
                overwrite.delete_data_file(file)
            for file in added:
                overwrite.append_data_file(file)
    return transaction.commit_transaction()


def _check(name: str, table: Table | None, schema: Schema, write: ArrowWrite) -> None:
    if write.mode == "upsert" and (missing := [each for each in write.unique_key if each not in schema.column_names]):
        raise WriteKeyInvalid(f"the rows for {name} have no column {missing[0]!r}, which is in their key")
    if write.mode == "upsert" and not write.unique_key:
        raise WriteKeyInvalid(f"the upsert of {name} names no key", hint="name its columns in unique_key")
    if table is None:
        return
    if table.spec().fields:
        raise TableParted(
            f"{name} has partition fields ({table.spec()})",
            hint="write it by a dbt model or a Python transform of floe, or give the asset a table of its own",
        )
    check_evolution(name, table.metadata, schema, allow_breaking=_may_break(write))


def _may_break(write: ArrowWrite) -> bool:
    return write.allow_breaking and write.mode == "replace"


def _made(table: Table, write: ArrowWrite) -> Snapshot | None:
    """The snapshot of an earlier try of the same write."""
    known = table.metadata.snapshots
    return next((each for each in known if snapshots.summary_of(each).get(WRITE) == write.name), None)


def _written(table: Table, snapshot: Snapshot, commit: _Commit | None) -> Written:
    schema = table.schemas()[snapshot.schema_id] if snapshot.schema_id is not None else table.schema()
    numbers = snapshots.summary_of(snapshot)
    return Written(
        snapshot_id=snapshot.snapshot_id,
        rows=sum(file.rows for file in commit.files) if commit else 0,
        total_rows=int(numbers.get("total-records", 0)),
        fields=snapshots.schema_fields(schema),
        already_written=commit is None,
    )
