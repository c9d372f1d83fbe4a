"""The one commit of a landing: schema, partition fields, files and marks change together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pyiceberg.catalog import Catalog
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table, TableProperties, Transaction
from pyiceberg.table.update.snapshot import _SnapshotProducer

from floe_lakehouse.data_files import described
from floe_lakehouse.identifiers import dotted
from floe_lakehouse.partitioning import PartitionRule, evolve_spec, partition_rules, spec_of
from floe_lakehouse.replacements import Replacement
from floe_lakehouse.schemas import check_evolution, evolve
from floe_lakehouse.snapshots import FENCE
from floe_lakehouse.staged import StagedFile, StagedTable
from floe_lakehouse.tables import io_of, plan_table
from floe_lakehouse.transactions import RememberingTransaction


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What else than the staged files an upsert changes: files that go, and files that stand for what stays of them."""

    gone: tuple[DataFile, ...]
    files: tuple[StagedFile, ...] = ()


NO_REWRITE: Final = Rewrite(())


def commit(
    catalog: Catalog, staged: StagedTable, table: Table | None, marks: Mapping[str, str], rewrite: Rewrite
) -> Table:
    """Land staged files in one transaction and one snapshot, on exactly the snapshot that `table` shows.

    One snapshot, where delete and add_files would make two: no reader can travel to a moment without rows.

    Raises:
        SchemaBroken: the table cannot take the files.
        StagedFileMissing: a file is gone.
    """
    transaction, rules = planned(catalog, staged, table)
    updates = {FENCE: marks[FENCE]}
    if transaction.table_metadata.name_mapping() is None:
        # DuckDB's files have no field ids; columns are found by name.
        mapping = transaction.table_metadata.schema().name_mapping
        updates[TableProperties.DEFAULT_NAME_MAPPING] = mapping.model_dump_json()
    transaction.set_properties(updates)
    io = io_of(transaction)
    added = list(described(io, transaction.table_metadata, (*staged.files, *rewrite.files), rules))
    with _producer(transaction, staged, dict(marks)) as snapshot:
        for file in rewrite.gone:
            snapshot.delete_data_file(file)
        for file in added:
            snapshot.append_data_file(file)
    return transaction.commit_transaction()


def _producer(transaction: Transaction, staged: StagedTable, marks: dict[str, str]) -> _SnapshotProducer[Any]:
    """What makes the snapshot that the mode wants."""
    if staged.mode == "replace":
        return Replacement(transaction, marks)
    update = transaction.update_snapshot(snapshot_properties=marks)
    if staged.mode == "append":
        return update.fast_append()
    overwrite = update.overwrite()
    overwrite.delete_by_predicate(AlwaysTrue())
    return overwrite


def planned(
    catalog: Catalog, staged: StagedTable, table: Table | None
) -> tuple[Transaction, tuple[PartitionRule, ...]]:
    """A transaction in which the table can take the staged files, and its partition fields.

    Raises:
        SchemaBroken: it cannot.
        PartitionFieldInvalid: its columns changed since the staging.
    """
    name, schema = dotted(staged.identifier), staged.schema
    types = [(field.name, field.field_type) for field in schema.fields]
    if table is None:
        rules = partition_rules(name, staged.partition_by, types)
        return plan_table(catalog, staged.identifier, schema, staged.location, spec_of(rules, schema)), rules
    allowed = staged.allow_breaking and staged.mode == "replace"
    going = check_evolution(name, table.metadata, schema, allow_breaking=allowed)
    transaction = RememberingTransaction(table)
    evolve(transaction, schema, going)
    rules = partition_rules(name, staged.partition_by, types)
    evolve_spec(transaction, rules)
    return transaction, rules
