"""The product's DuckDB file as a transform sees it: its inputs, its table, and no way out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from floe_executor.transform_child.failures import Unfit

_BATCH_ROWS: Final = 100_000
_RETURNED: Final = "a duckdb.DuckDBPyRelation, a pyarrow.Table, a pyarrow.RecordBatchReader or an iterator of batches"


class Warehouse:
    """An open DuckDB file, closed to everything but itself and one folder."""

    def __init__(self, database: Path, folder: Path, *, memory_limit: str | None, threads: int) -> None:
        """Open the file, and shut DuckDB in for good.

        Args:
            database: the file; no other process may have it open.
            folder: what queries may read and write beside it.
            memory_limit: how much DuckDB may hold in memory.
            threads: how many threads it runs.

        Raises:
            duckdb.Error: the file cannot be opened.
        """
        config: dict[str, Any] = {
            "threads": threads,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        if memory_limit is not None:
            config["memory_limit"] = memory_limit
        self._connection = duckdb.connect(str(database), config=config)
        self._connection.execute("SET enable_progress_bar = false")
        self._connection.execute(f"SET allowed_directories = [{_literal(str(folder))}]")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")

    def read(self, schema: str, name: str, form: str) -> Any:
        """A relation of the file: lazily as a `relation`, at once as a `table`, in batches from a `reader`."""
        query = f"SELECT * FROM {quoted(schema)}.{quoted(name)}"  # noqa: S608 -- names are quoted
        if form == "reader":
            # A result that is read while another query runs needs a connection of its own.
            return self._connection.cursor().sql(query).to_arrow_reader(_BATCH_ROWS)
        relation = self._connection.sql(query)
        return relation.to_arrow_table() if form == "table" else relation

    def replace(self, schema: str, name: str, result: Any) -> None:
        """Make the rows of `result` the table `name`, in one transaction.

        Raises:
            Unfit: `result` is nothing that holds rows.
            duckdb.Error: the rows could not be computed or written; the table is as it was.
            Exception: whatever the transform raises while it yields batches.
        """
        if isinstance(result, duckdb.DuckDBPyRelation):
            if self._in_transaction(self._connection, schema, name, result.create):
                return
            result = result.to_arrow_reader(_BATCH_ROWS)  # of another connection, which has made nothing here
        batches = _Batches(result)
        connection = self._connection.cursor()

        def create(table: str) -> None:
            connection.register("floe_incoming", batches.reader())
            connection.execute(f"CREATE TABLE {table} AS SELECT * FROM floe_incoming")  # noqa: S608 -- quoted

        try:
            self._in_transaction(connection, schema, name, create)
        except duckdb.Error:
            if batches.failure is not None:
                raise batches.failure from None  # DuckDB tells of it as text
            raise

    def rows(self, schema: str, name: str) -> int:
        """How many rows the table has."""
        return self.number(f"SELECT count(*) FROM {quoted(schema)}.{quoted(name)}")  # noqa: S608 -- quoted

    def columns(self, schema: str, name: str) -> tuple[tuple[str, str], ...]:
        """Name and type of each column of the table."""
        relation = self._connection.sql(f"SELECT * FROM {quoted(schema)}.{quoted(name)} LIMIT 0")  # noqa: S608 -- quoted
        return tuple((column, str(kind)) for column, kind in zip(relation.columns, relation.types, strict=True))

    def number(self, query: str, parameters: Iterable[object] = ()) -> int:
        """The one number that a query gives."""
        row = self._connection.execute(query, list(parameters)).fetchone()
        return int(row[0]) if row else 0

    def close(self) -> None:
        """Write everything to the file, and let go of it."""
        self._connection.close()

    def _in_transaction(
        self, connection: duckdb.DuckDBPyConnection, schema: str, name: str, create: Callable[[str], object]
    ) -> bool:
        """Let `create` make a table and put it in the place of `name`; False if it made none here."""
        table, new = quoted(name), quoted(f"{name}__floe_new")
        connection.execute("BEGIN")
        try:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
            create(f"{quoted(schema)}.{new}")
            if not _kind(connection, schema, f"{name}__floe_new"):
                connection.execute("ROLLBACK")
                return False
            if kind := _kind(connection, schema, name):
                connection.execute(f"DROP {kind} {quoted(schema)}.{table}")
            connection.execute(f"ALTER TABLE {quoted(schema)}.{new} RENAME TO {table}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        return True


class _Batches:
    """What a transform returned, as Arrow batches; keeps what the transform raises on the way."""

    def __init__(self, result: object) -> None:
        self.failure: BaseException | None = None
        self._schema, self._batches = _opened(result)

    def reader(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self._schema, self._kept())

    def _kept(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._batches
        except BaseException as error:
            self.failure = error
            raise


def _opened(result: object) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    if isinstance(result, pa.RecordBatchReader):
        return result.schema, iter(result)
    if hasattr(result, "__arrow_c_stream__"):  # a pyarrow.Table, and the data frames of others
        reader = pa.RecordBatchReader.from_stream(result)
        return reader.schema, iter(reader)
    if not isinstance(result, Iterator | list | tuple):
        raise Unfit(f"the transform returned {type(result).__name__}; it returns {_RETURNED}")
    batches = iter(result)
    first = next(batches, None)
    if first is None:
        raise Unfit("the transform yielded no batch; for an empty table, yield one of no rows: it has the columns")
    if not isinstance(first, pa.RecordBatch):
        raise Unfit(f"the transform yielded {type(first).__name__}, not pyarrow.RecordBatch")
    return first.schema, chain([first], batches)


def _kind(connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> str | None:
    """TABLE, VIEW or None."""
    row = connection.execute(
        "SELECT table_type FROM information_schema.tables WHERE table_catalog = current_database() "
        "AND table_schema = ? AND lower(table_name) = lower(?)",
        [schema, name],
    ).fetchone()
    return None if row is None else "VIEW" if row[0] == "VIEW" else "TABLE"


def quoted(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
