"""Copies on write: what stays of the files in which an upsert replaces rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from floe_contracts.errors import FloeError
from floe_lakehouse import locations
from floe_lakehouse.commit_conflicts import OVERTAKEN
from floe_lakehouse.commits import Rewrite, planned
from floe_lakehouse.duckdb_files import Engine, open_closed
from floe_lakehouse.identifiers import dotted
from floe_lakehouse.lake_folders import Lake
from floe_lakehouse.nested_fields import check_nesting
from floe_lakehouse.orphans import left_beside
from floe_lakehouse.staged import StagedTable
from floe_lakehouse.staged_copy import copy_rows, copying, remove_files
from floe_lakehouse.table_rows import alike_files, current_files, table_columns
from floe_lakehouse.upserts import affected_files, keep_keys, kept_rows

_FILE_SIZE_BYTES: Final = 128 * 2**20


@contextmanager
def rewritten(catalog: Catalog, staged: StagedTable, table: Table, engine: Engine) -> Iterator[Rewrite]:
    """Rewrite the files of the table in which keys of the staged files stand, without these.

    To be committed inside of the block. If that fails the rewritten files are removed. They stay if nobody knows
    whether it failed, and when the process dies: the switch that succeeds removes what others have left.

    Raises:
        UpsertUnsupported: the table holds what floe does not read.
        CopyFailed: DuckDB could not read or write.
        LakeUnreachable: the store of the table does not answer.
    """
    if not staged.files:
        yield Rewrite(())
        return
    lake = Lake(locations.data_folder(staged.location), table.io.properties)
    with copying(f"what stays of {dotted(staged.identifier)}"), open_closed([lake], engine) as connection:
        leftovers = left_beside(connection, staged)
        rewrite = _rewrite(catalog, staged, table, connection)
    try:
        yield rewrite
    except (FloeError, *OVERTAKEN):
        remove_files(table.io, [file.location for file in rewrite.files])
        raise
    remove_files(table.io, leftovers)


def _rewrite(catalog: Catalog, staged: StagedTable, table: Table, connection: duckdb.DuckDBPyConnection) -> Rewrite:
    transaction, rules = planned(catalog, staged, table)
    schema = transaction.table_metadata.schema()
    files = current_files(table, locations.data_folder(staged.location))
    mapping = transaction.table_metadata.name_mapping()
    present = alike_files(connection, files, mapping, schema)
    check_nesting(table, schema, mapping, present)
    columns = table_columns(schema)
    keep_keys(connection, [locations.duckdb_target(file.location) for file in staged.files], staged.unique_key, columns)
    affected = affected_files(connection, present, staged.unique_key, columns)
    if not affected:
        return Rewrite(())
    kept = copy_rows(
        connection,
        table.io,
        kept_rows(present, affected, staged.unique_key, columns),
        columns=[column.name for column in columns],
        rules=rules,
        folder=locations.attempt_folder(staged.location, staged.run_id, staged.attempt),
        file_size_bytes=_FILE_SIZE_BYTES,
    )
    return Rewrite(tuple(files[file] for file in sorted(affected)), kept)
