"""What is landed and how, and what a staged landing looks like in a journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from pyiceberg.schema import Schema

from floe_contracts.errors import ContractError
from floe_lakehouse.identifiers import Identifier

Mode: TypeAlias = Literal["replace"]
_MODES: Final = get_args(Mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingRequest:
    """One table of a finished DuckDB file that is to become one Iceberg table.

    Attributes:
        database: the DuckDB file; no process may be writing it.
        schema: the table's schema in DuckDB.
        table: the table's name in DuckDB.
        identifier: the Iceberg table: namespace levels, then the name.
        run_id: the run whose result this is.
        attempt: which attempt of the run, from 1.
        mode: what the landing does with the rows that are there: `replace` them all.
        memory_limit: how much DuckDB may hold in memory.
        threads: how many threads DuckDB runs; each writes files of its own.
        file_size_bytes: where a file ends and the next one begins, roughly.
    """

    database: Path
    schema: str
    table: str
    identifier: Identifier
    run_id: str
    attempt: int
    mode: Mode = "replace"
    memory_limit: str = "1GB"
    threads: int = 2
    file_size_bytes: int = 128 * 2**20


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A Parquet file that waits to become part of a table: its URI, its rows, its size in bytes."""

    location: str
    rows: int
    size_bytes: int


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
    """

    identifier: Identifier
    location: str
    run_id: str
    attempt: int
    mode: Mode
    files: tuple[StagedFile, ...]
    schema_document: str

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
                    StagedFile(location=file["location"], rows=file["rows"], size_bytes=file["size_bytes"])
                    for file in value["files"]
                ),
                schema_document=value["schema_document"],
            )
        except (KeyError, TypeError) as error:
            raise ContractError(f"a staged table cannot be read: {error!r}") from error
