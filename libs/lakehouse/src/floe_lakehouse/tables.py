"""Tables in a catalog: found, planned, and the files under them."""

from __future__ import annotations

from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError
from pyiceberg.io import FileIO, load_file_io
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import CreateTableTransaction, Table, TableProperties, Transaction

from floe_lakehouse.catalogs import reaching
from floe_lakehouse.identifiers import Identifier
from floe_lakehouse.transactions import RememberingCreation

# A landing retries by itself, so pyiceberg must not (see `landing`).
RETRIES_OFF: Final = {TableProperties.COMMIT_NUM_RETRIES: "0"}
_PROPERTIES: Final = {TableProperties.FORMAT_VERSION: "2", **RETRIES_OFF}


def find_table(catalog: Catalog, identifier: Identifier) -> Table | None:
    """The table as it is now, or None.

    Raises:
        CatalogUnreachable: the catalog does not answer.
    """
    with reaching("the catalog"):
        try:
            return catalog.load_table(identifier)
        except NoSuchTableError:
            return None


def plan_table(
    catalog: Catalog,
    identifier: Identifier,
    schema: Schema,
    location: str | None = None,
    spec: PartitionSpec = UNPARTITIONED_PARTITION_SPEC,
) -> CreateTableTransaction:
    """The creation of a table, with the properties that floe's tables have; nothing happens until it is committed.

    Args:
        catalog: the catalog, in which the namespace exists.
        identifier: namespace levels, then the name.
        schema: its schema; the table gets field ids of its own.
        location: where its files stand; the catalog chooses if it is None.
        spec: how it is parted.

    Raises:
        CatalogUnreachable: the catalog does not answer.
    """
    if isinstance(catalog, SqlCatalog):
        # It refuses nested namespaces here, and only here; what it stores is one dotted name, and so it takes that.
        identifier = (".".join(identifier[:-1]), identifier[-1])
    with reaching("the catalog"):
        planned = catalog.create_table_transaction(
            identifier, schema, location=location, partition_spec=spec, properties=_PROPERTIES
        )
    if location and planned.table_metadata.location != location:
        # Nessie gives each planned creation a place of its own, and takes another one with the commit.
        table = planned._table  # noqa: SLF001 - it has no public name
        table.metadata = table.metadata.model_copy(update={"location": location})
    return RememberingCreation(planned)


def file_io(catalog: Catalog, identifier: Identifier, table: Table | None, location: str) -> FileIO:
    """What reads and deletes files of a table: its own; while there is none, what its creation would get.

    Args:
        catalog: the catalog.
        identifier: the table.
        table: the table as it was loaded; None while there is none.
        location: where the files of a table that is not there stand.

    Raises:
        CatalogUnreachable: the catalog does not answer.
    """
    if table:
        return table.io
    try:
        return io_of(plan_table(catalog, identifier, Schema(), location))
    except NoSuchNamespaceError:
        return load_file_io(dict(catalog.properties), location)


def io_of(transaction: Transaction) -> FileIO:
    """What reads and writes the files of a table that is changed or created: the catalog may have vended its keys."""
    return transaction._table.io  # noqa: SLF001 - it has no public name
