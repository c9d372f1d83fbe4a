"""Tables in a catalog: found, planned, and the files under them."""

from __future__ import annotations

from typing import Final

from pyiceberg.catalog import Catalog, MetastoreCatalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.io import FileIO, load_file_io
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import CreateTableTransaction, Table, TableProperties

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
    if isinstance(catalog, MetastoreCatalog):
        # pyiceberg's metastores, SQL among them, refuse nested namespaces here, and only here; what they store is one
        # dotted name, and in that form they take it.
        identifier = (".".join(identifier[:-1]), identifier[-1])
    with reaching("the catalog"):
        planned = catalog.create_table_transaction(
            identifier, schema, location=location, partition_spec=spec, properties=_PROPERTIES
        )
    return RememberingCreation(planned)


def file_io(catalog: Catalog, table: Table | None, location: str) -> FileIO:
    """What reads and deletes files at `location`: the table's own, or the catalog's while there is no table."""
    return table.io if table else load_file_io(dict(catalog.properties), location)
