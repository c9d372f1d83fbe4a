"""The errors of the lakehouse library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from floe_contracts.errors import LeaseLost, Permanent, Transient, Unreachable, Where


class CatalogMisconfigured(Permanent):
    """The properties of a catalog are unknown, missing or contradict each other."""

    code = "FLOE-LAKE-001"
    title = "The Iceberg catalog is not configured correctly"


class CatalogUnreachable(Unreachable):
    """The catalog's database or server does not answer."""

    code = "FLOE-LAKE-002"
    title = "The Iceberg catalog is unreachable"


class InvalidIdentifier(Permanent):
    """A namespace or table name that catalogs would read in different ways."""

    code = "FLOE-LAKE-003"
    title = "A namespace or table name is not usable in an Iceberg catalog"


class TableMissing(Permanent):
    """The catalog has no such table."""

    code = "FLOE-LAKE-004"
    title = "An Iceberg table does not exist"


@dataclass(frozen=True, slots=True)
class UnsupportedColumn:
    """A column that has no Iceberg form: its name, its DuckDB type, and the part of the type that is the reason."""

    name: str
    duckdb_type: str
    part: str

    def __str__(self) -> str:
        """`"name" has type TYPE`, with the reason when it is only a part of the type."""
        inside = f", which holds {self.part}" if self.part != self.duckdb_type else ""
        return f'column "{self.name}" has type {self.duckdb_type}{inside}'


class UnsupportedColumnType(Permanent):
    """Columns of a table to land have types that Iceberg cannot hold.

    Attributes:
        table: the table, dotted.
        columns: every such column, in the order of the table.
    """

    code = "FLOE-LAND-001"
    title = "A column has a type that Iceberg cannot hold"

    def __init__(self, table: str, columns: Sequence[UnsupportedColumn]) -> None:
        self.table = table
        self.columns = tuple(columns)
        named = "; ".join(map(str, self.columns))
        super().__init__(
            f"{table} cannot be landed: {named}",
            where=Where(path=f"{table}.{self.columns[0].name}"),
            hint="cast the column in the model, for example to VARCHAR",
        )


@dataclass(frozen=True, slots=True)
class BrokenColumn:
    """A column whose change breaks readers: its dotted path, its type in the table and the type that was built."""

    path: str
    old: str
    new: str

    def __str__(self) -> str:
        """`"path" was OLD and is now NEW`."""
        return f'column "{self.path}" was {self.old} and is now {self.new}'


class SchemaBroken(Permanent):
    """A landing would change columns in a way that Iceberg cannot evolve.

    Attributes:
        table: the table, dotted.
        columns: every broken column, in the order of the table.
    """

    code = "FLOE-LAND-002"
    title = "A landing would break the schema of its table"

    def __init__(self, table: str, columns: Sequence[BrokenColumn]) -> None:
        self.table = table
        self.columns = tuple(columns)
        super().__init__(
            f"the new schema of {table} breaks its readers: {'; '.join(map(str, self.columns))}",
            where=Where(path=f"{table}.{self.columns[0].path}"),
            hint="cast the column back in the model, or give the new form a new column name",
        )


class NewerRunLanded(LeaseLost):
    """The table already holds the landing of a newer run; an older run must not overwrite it."""

    code = "FLOE-LAND-003"
    title = "A newer run has landed its table already"


class LandingConflict(Transient):
    """Other writers won every try to commit a landing."""

    code = "FLOE-LAND-004"
    title = "A landing lost against other writers too often"


class StagedFileMissing(Permanent):
    """A staged file is gone: its attempt was discarded, or the storage was changed by hand."""

    code = "FLOE-LAND-005"
    title = "A staged file is missing"


class CopyFailed(Permanent):
    """DuckDB could not read the table or could not write its files."""

    code = "FLOE-LAND-006"
    title = "DuckDB could not copy a table"


class ExtensionMissing(Permanent):
    """A DuckDB extension that is needed is not installed, or is of another version."""

    code = "FLOE-LAKE-050"
    title = "An extension of DuckDB is not installed"


class WarehouseUnreachable(Unreachable):
    """The warehouse that tables are landed from does not answer, or broke off while they were read."""

    code = "FLOE-LAKE-051"
    title = "The warehouse that tables are landed from is unreachable"


class WarehouseRefused(Permanent):
    """The warehouse that tables are landed from refuses the user, the password or the database."""

    code = "FLOE-LAKE-052"
    title = "The warehouse that tables are landed from refuses the connection"


class LakeUnsupported(Permanent):
    """The tables stand in a store that landings do not write."""

    code = "FLOE-LAKE-020"
    title = "Tables cannot be landed in a store"


class PartitionFieldInvalid(Permanent):
    """A partition field is malformed, names no column, or its column has a type that it does not take."""

    code = "FLOE-LAKE-021"
    title = "A partition field of a table is not valid"


class TooManyPartitions(Permanent):
    """A landing would write more partitions than a table can be read well with."""

    code = "FLOE-LAKE-022"
    title = "A landing has too many partitions"


class LandingColumnMissing(Permanent):
    """A landing mode needs a column that is not declared, or that the table does not have."""

    code = "FLOE-LAKE-023"
    title = "A column that a landing mode needs is missing"


class WatermarkMoved(Permanent):
    """The table's watermark is not the one that the rows were staged above, so they would leave a gap or come twice."""

    code = "FLOE-LAKE-024"
    title = "The watermark of a table moved between staging and switch"


class UpsertUnsupported(Permanent):
    """The table holds what others wrote in a form that an upsert does not rewrite."""

    code = "FLOE-LAKE-025"
    title = "A table cannot be upserted"


class LakeKeysInvalid(Permanent):
    """The secret that opens the store of the tables has another form than expected."""

    code = "FLOE-LAKE-026"
    title = "The secret of a storage cannot be used"


class SnapshotMissing(Permanent):
    """A read names a snapshot that the table does not have, or has no longer."""

    code = "FLOE-LAKE-040"
    title = "A table does not have a snapshot"


class WriteKeyInvalid(Permanent):
    """The rows of an upsert have no such key columns, no value in one, or the same key twice."""

    code = "FLOE-LAKE-041"
    title = "The key of an upsert is not valid"


class OutsidePartition(Permanent):
    """Rows that were written for a partition do not belong to it: writing them twice would keep them twice."""

    code = "FLOE-LAKE-042"
    title = "Rows do not belong to the partition that they were written for"


class TableParted(Permanent):
    """The table has partition fields, and the IO manager writes files that know none."""

    code = "FLOE-LAKE-043"
    title = "The IO manager cannot write a table with partition fields"


class AssetMetadataInvalid(Permanent):
    """The metadata of an asset or input, its type or its value is none that the IO manager can act on."""

    code = "FLOE-LAKE-044"
    title = "The IO manager cannot act on what an asset says"


class LakeUnreachable(Unreachable):
    """The store of the tables does not answer, or is overloaded."""

    code = "FLOE-LAKE-027"
    title = "The store of the tables is unreachable"


class CatalogRefused(Permanent):
    """The catalog does not take the credentials, or does not let whom they belong to do what was asked."""

    code = "FLOE-LAKE-060"
    title = "The Iceberg catalog refuses the credentials"


class CatalogDriverMissing(Permanent):
    """A package that a kind of catalog needs is not installed."""

    code = "FLOE-LAKE-061"
    title = "A driver of an Iceberg catalog is not installed"


class CatalogRequestRefused(Permanent):
    """The catalog answered that a request is wrong: an unknown warehouse, a name or value that it does not take."""

    code = "FLOE-LAKE-062"
    title = "The Iceberg catalog refuses a request"


class CatalogLacks(Permanent):
    """The catalog's server does not offer what was asked of it."""

    code = "FLOE-LAKE-063"
    title = "The Iceberg catalog does not offer an operation"


class MaintenanceConflict(Transient):
    """Other writers changed what was rewritten, time after time."""

    code = "FLOE-LAKE-070"
    title = "The maintenance of a table lost against other writers too often"


class RowsMiscounted(Permanent):
    """Files of a table hold another number of rows than its manifests say, so rewriting them could lose some."""

    code = "FLOE-LAKE-071"
    title = "A table's files do not hold the rows that it says they do"


class FilesNotDeleted(Transient):
    """The store did not delete files that nothing needs any more."""

    code = "FLOE-LAKE-080"
    title = "Files of a table could not be deleted"


class ReferenceLost(Permanent):
    """A tag or branch was made just when its snapshot expired, and could not be brought back."""

    code = "FLOE-LAKE-081"
    title = "A tag was lost to the expiry of its snapshot"


class RollbackRefused(Permanent):
    """The table was never at the snapshot to which it should go back, or is not any more where the caller saw it."""

    code = "FLOE-LAKE-082"
    title = "A table cannot be rolled back to a snapshot"


class ReferenceNameInvalid(Permanent):
    """A tag or branch has a name that could be taken for something else, or that not every catalog takes."""

    code = "FLOE-LAKE-083"
    title = "The name of a tag or branch is not usable"


class ReferenceMissing(Permanent):
    """A table has no such tag or branch, or the name belongs to one of the other kind."""

    code = "FLOE-LAKE-084"
    title = "A table does not have a tag or branch"


class RowFilterInvalid(Permanent):
    """A condition on rows, or a list of columns, that the table's columns do not allow."""

    code = "FLOE-LAKE-085"
    title = "A condition on the rows of a table is not valid"


class TableNotServed(Transient):
    """`serve.duckdb` does not show a table as it is now: its files could not be read, or the file not be written."""

    code = "FLOE-LAKE-086"
    title = "serve.duckdb is not up to date"
