"""Declared tables in the catalog ahead of a run: created as their first landing would create them, and evolved."""

from __future__ import annotations

from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.schema import Schema
from pyiceberg.table import Table

from floe_catalog.adapters.declared_types import DeclaredTypes
from floe_catalog.core.declared_tables import DeclaredTable
from floe_catalog.errors import TableContended
from floe_lakehouse.catalogs import ensure_namespace, reaching
from floe_lakehouse.commit_conflicts import CONFLICTS
from floe_lakehouse.identifiers import checked
from floe_lakehouse.partitioning import PartitionRule, evolve_spec, partition_rules, spec_of
from floe_lakehouse.schemas import check_evolution, evolve
from floe_lakehouse.tables import find_table, plan_table
from floe_lakehouse.transactions import RememberingTransaction
from floe_lakehouse.types import iceberg_schema, landed_columns

_TRIES: Final = 5


def create_table(catalog: Catalog, types: DeclaredTypes, declared: DeclaredTable) -> None:
    """Create a declared table without rows; one that exists stays as it is.

    Raises:
        InvalidIdentifier: a name that not every catalog can hold.
        UnsupportedColumnType: a type has no Iceberg form.
        PartitionFieldInvalid: a partition field does not fit the columns.
        TableContended: whether the table was created is not known.
        CatalogUnreachable: the catalog does not answer.
    """
    identifier = checked(declared.levels, least=2)
    schema, rules = _planned(types, declared)
    if find_table(catalog, identifier) is not None:
        return
    ensure_namespace(catalog, identifier[:-1], {})
    try:
        with reaching("the catalog"):
            plan_table(catalog, identifier, schema, spec=spec_of(rules, schema)).commit_transaction()
    except CONFLICTS as conflict:
        if find_table(catalog, identifier) is None:
            raise TableContended(f"{declared.identifier} could not be created: {conflict}") from conflict


def evolve_table(catalog: Catalog, types: DeclaredTypes, declared: DeclaredTable) -> None:
    """Let a table take rows as they are declared, in one commit; none where it can already.

    Raises:
        SchemaBroken: readers would break.
        UnsupportedColumnType: a type has no Iceberg form.
        PartitionFieldInvalid: a partition field does not fit the columns.
        TableContended: others change the table, time after time.
        CatalogUnreachable: the catalog does not answer.
    """
    schema, rules = _planned(types, declared)
    for _ in range(_TRIES):
        table = find_table(catalog, declared.levels)
        if table is None:
            return
        try:
            with reaching("the catalog"):
                _evolve(table, declared, schema, rules)
        except CONFLICTS:
            continue
        return
    raise TableContended(f"{declared.identifier} could not be evolved: others were faster {_TRIES} times")


def _planned(types: DeclaredTypes, declared: DeclaredTable) -> tuple[Schema, tuple[PartitionRule, ...]]:
    """The schema and the partition fields that a landing of the declared columns would give the table."""
    columns = []
    for column in declared.columns:
        read = types.read(declared.compute, column.data_type or "")
        if read is None:
            raise ValueError(f"{declared.identifier} is not registered: {column.name}")
        columns.append((column.name, read))
    landed = landed_columns(declared.identifier, columns)
    named = [(column.name, column.iceberg_type) for column in landed]
    return iceberg_schema(landed), partition_rules(declared.identifier, declared.partition_by, named)


def _evolve(table: Table, declared: DeclaredTable, schema: Schema, rules: tuple[PartitionRule, ...]) -> None:
    check_evolution(declared.identifier, table.metadata, schema)
    transaction = RememberingTransaction(table)
    evolve(transaction, schema)
    evolve_spec(transaction, rules)
    before, after = table.metadata, transaction.table_metadata
    if (before.current_schema_id, before.default_spec_id) == (after.current_schema_id, after.default_spec_id):
        return
    transaction.commit_transaction()
