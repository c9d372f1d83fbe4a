"""pyiceberg's transactions, which compute their metadata anew whenever they are asked, made to remember it.

A commit asks some twenty times, and each answer is a deep copy of all that the table's metadata holds: a third of the
time that a landing's switch took. What the catalog commits is computed and checked by the catalog.
"""

from __future__ import annotations

from typing import cast

from pyiceberg.table import CreateTableTransaction, StagedTable, Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import TableUpdate, _apply_table_update, _TableMetadataUpdateContext


class _Remembered:
    """The metadata that a base and a list of updates gave last. Nobody changes metadata in place."""

    def __init__(self) -> None:
        self._of: tuple[TableMetadata, tuple[TableUpdate, ...]] | None = None
        self._metadata: TableMetadata | None = None

    def get(self, base: TableMetadata, updates: tuple[TableUpdate, ...]) -> TableMetadata:
        if not updates:
            return base
        if self._metadata is None or self._of is None or self._of[0] is not base or self._of[1] is not updates:
            self._of, self._metadata = (base, updates), _updated(base, updates)
        return self._metadata


def _updated(base: TableMetadata, updates: tuple[TableUpdate, ...]) -> TableMetadata:
    """As pyiceberg's `update_table_metadata`, without the copy."""
    context, metadata = _TableMetadataUpdateContext(), base
    for update in updates:
        metadata = _apply_table_update(update, metadata, context)
    return metadata


class RememberingTransaction(Transaction):
    """Changes to a table that exists."""

    def __init__(self, table: Table) -> None:
        self._remembered = _Remembered()
        super().__init__(table)

    @property
    def table_metadata(self) -> TableMetadata:
        """The metadata with all changes so far."""
        return self._remembered.get(self._table.metadata, self._updates)


class RememberingCreation(CreateTableTransaction):
    """The creation of a table."""

    def __init__(self, planned: CreateTableTransaction) -> None:
        self._remembered = _Remembered()
        super().__init__(cast("StagedTable", planned._table))  # noqa: SLF001 - it has no public name

    @property
    def table_metadata(self) -> TableMetadata:
        """The metadata with all changes so far."""
        return self._remembered.get(self._table.metadata, self._updates)
