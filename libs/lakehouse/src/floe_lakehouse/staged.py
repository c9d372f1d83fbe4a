"""What is landed and how, and what a staged landing looks like in a journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias, get_args

import duckdb
from pyiceberg.schema import Schema

from floe_contracts.errors import ContractError
from floe_lakehouse.duckdb_files import OpenSource
from floe_lakehouse.identifiers import Identifier
from floe_lakehouse.lake_folders import Lake

Mode: TypeAlias = Literal["replace", "upsert", "append"]
_MODES: Final = get_args(Mode)


class Warehouse(Protocol):
    """Where the tables of a build stand."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    def open(self, lakes: Sequence[Lake]) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A DuckDB instance that reads the warehouse and `lakes`, writes `lakes`, and reaches nothing else.

        Raises:
            duckdb.Error: the warehouse cannot be read, for a reason that will not pass.
            FloeError: what the warehouse itself finds out, such as a server that does not answer.
        """
        ...


class RowSource(Protocol):
    """A table of a warehouse, as a landing reads it."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def warehouse(self) -> Warehouse:
        """Where it stands."""
        ...

    def read(self, connection: duckdb.DuckDBPyConnection) -> AbstractContextManager[OpenSource]:
        """The relation, in a connection to its opened warehouse, as long as it is read.

        Raises:
            duckdb.Error: the table cannot be read, for a reason that will not pass.
            FloeError: what the warehouse itself finds out, such as a server that broke off.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingRequest:
    """One table of a warehouse that is to become one Iceberg table.

    Attributes:
        source: the table; nothing may be writing it.
        identifier: the Iceberg table: namespace levels, then the name.
        run_id: the run whose result this is.
        attempt: which attempt of the run, from 1.
        mode: what becomes of the rows that are there. `replace`: all go. `upsert`: those go whose key the source has
            with other values. `append`: all stay, and the source's rows above the watermark come.
        unique_key: of an upsert: the columns that name a row.
        watermark: of an append: a column that only grows.
        partition_by: the partition fields, as in `day(ordered_at)`; none for a table without partitions.
        allow_breaking: whether a replacing landing may give a column a type that readers do not expect.
        file_size_bytes: where a file ends and the next one begins, roughly; a partition is one file.
    """

    source: RowSource
    identifier: Identifier
    run_id: str
    attempt: int
    mode: Mode = "replace"
    unique_key: tuple[str, ...] = ()
    watermark: str | None = None
    partition_by: tuple[str, ...] = ()
    allow_breaking: bool = False
    file_size_bytes: int = 128 * 2**20


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A Parquet file that waits to become part of a table: its URI, its rows, its size in bytes, its partition.

    The partition's values are Iceberg's own, as texts, in the order in which the fields were declared: a day is the
    number of days since 1970.
    """

    location: str
    rows: int
    size_bytes: int
    partition: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far an append goes.

    Attributes:
        column: the column that only grows.
        before: its largest value among the rows that have landed, as DuckDB writes it; None where there is none.
        after: the same, once the files have landed.
        landing: the id of the snapshot on which `before` stands, as a text; None for a table that floe never landed.
    """

    column: str
    before: str | None
    after: str | None
    landing: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedTable:
    """Files that stand under a table's location and belong to no snapshot yet.

    Attributes:
        identifier: the Iceberg table.
        location: the table's location, where it is created if it does not exist at the switch.
        run_id: the run whose result this is.
        attempt: which attempt of the run wrote the files.
        mode: what the switch does with the rows that are there.
        files: the files; none for an empty result.
        schema_document: the Iceberg schema of the files, as Iceberg's JSON; the table has field ids of its own.
        unique_key: of an upsert: the columns that name a row. The files hold the rows that are new or changed.
        watermark: of an append: how far the files go.
        late_rows: of an append: rows of the source that are not above the watermark and, by their number, cannot all
            have been landed before.
        partition_by: the partition fields.
        allow_breaking: whether columns may be replaced.
    """

    identifier: Identifier
    location: str
    run_id: str
    attempt: int
    mode: Mode
    files: tuple[StagedFile, ...]
    schema_document: str
    unique_key: tuple[str, ...] = ()
    watermark: Watermark | None = None
    late_rows: int = 0
    partition_by: tuple[str, ...] = ()
    allow_breaking: bool = False

    @property
    def rows(self) -> int:
        """How many rows the files hold."""
        return sum(file.rows for file in self.files)

    @property
    def schema(self) -> Schema:
        """The Iceberg schema of the files."""
        return Schema.model_validate_json(self.schema_document)

    def to_json(self) -> dict[str, Any]:
        """This value in types that JSON knows, for a journal."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> StagedTable:
        """The value that `to_json` gave; fields that it does not know are ignored.

        Raises:
            ContractError: a field is missing or malformed, or the mode is one that this version does not know.
        """
        try:
            if value["mode"] not in _MODES:
                raise ContractError(f"a staged table has the unknown mode {value['mode']!r}")
            return cls(
                identifier=tuple(value["identifier"]),
                location=value["location"],
                run_id=value["run_id"],
                attempt=value["attempt"],
                mode=value["mode"],
                files=tuple(
                    StagedFile(file["location"], file["rows"], file["size_bytes"], tuple(file.get("partition", ())))
                    for file in value["files"]
                ),
                schema_document=value["schema_document"],
                unique_key=tuple(value.get("unique_key", ())),
                watermark=_watermark(value.get("watermark")),
                late_rows=value.get("late_rows", 0),
                partition_by=tuple(value.get("partition_by", ())),
                allow_breaking=value.get("allow_breaking", False),
            )
        except (KeyError, TypeError) as error:
            raise ContractError(f"a staged table cannot be read: {error!r}") from error


def _watermark(value: Mapping[str, Any] | None) -> Watermark | None:
    return (
        None if value is None else Watermark(**{name: value[name] for name in ("column", "before", "after", "landing")})
    )
