"""Reading a table of a PostgreSQL warehouse through DuckDB: as one snapshot of it, without ever writing there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final

import duckdb

from floe_lakehouse.duckdb_files import Engine, OpenSource, open_closed
from floe_lakehouse.errors import WarehouseRefused, WarehouseUnreachable
from floe_lakehouse.extension_files import load_extension
from floe_lakehouse.lake_folders import Lake
from floe_lakehouse.postgres_columns import COLUMNS_QUERY, PostgresColumn, received, server_query
from floe_lakehouse.sql_text import literal, quoted

_ATTACHED: Final = "warehouse"
# Values that are read as text do not depend on how the server or the user is set up.
_SESSION: Final = {"DateStyle": "ISO", "TimeZone": "UTC", "lc_monetary": "C"}
_CONNECTION: Final = re.compile(
    r"Unable to connect to Postgres|connection to server|server closed the connection|terminating connection|"
    r"no connection to the server|could not receive data|could not send data|SSL connection has been closed|"
    r"SSL SYSCALL error"
)
_REFUSAL: Final = re.compile(
    r"FATAL:\s+(?!the database system|sorry, too many|remaining connection slots|too many connections|terminating)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """A database of a PostgreSQL server, and who reads it.

    Attributes:
        role: taken on after connecting, as dbt does.
        parameters: more of libpq's connection parameters (`sslmode`, `connect_timeout`, ...).
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    role: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PostgresWarehouse:
    """A database of a PostgreSQL server; fulfils `Warehouse`.

    Attributes:
        server: the database.
        engine: what DuckDB may take to read it.
    """

    server: PostgresServer
    engine: Engine

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"the PostgreSQL database {self.server.database}"

    @contextmanager
    def open(self, lakes: Sequence[Lake]) -> Iterator[duckdb.DuckDBPyConnection]:
        """The database, attached to be read only.

        Raises:
            ExtensionMissing: DuckDB's extension for PostgreSQL is not installed.
            WarehouseUnreachable: the server does not answer.
            WarehouseRefused: it refuses the user, the password or the database.
            duckdb.Error: DuckDB refuses what is attached.
        """
        with ExitStack() as stack:
            with reaching(self.server):
                connection = stack.enter_context(open_closed(lakes, self.engine, attach=self._attach))
            yield connection

    def _attach(self, connection: duckdb.DuckDBPyConnection) -> None:
        load_extension(connection, "postgres_scanner")
        server = self.server
        connection.execute(
            f"CREATE TEMPORARY SECRET {_ATTACHED} (TYPE postgres, HOST {literal(server.host)}, PORT {server.port}, "
            f"USER {literal(server.user)}, PASSWORD {literal(server.password)}, DATABASE {literal(server.database)})"
        )
        parameters = {**server.parameters, "options": _session(server.role)}
        given = " ".join(f"{name}={_parameter(value)}" for name, value in parameters.items())
        connection.execute(f"ATTACH {literal(given)} AS {_ATTACHED} (TYPE postgres, SECRET {_ATTACHED}, READ_ONLY)")


@dataclass(frozen=True, slots=True)
class PostgresTable:
    """A table of a PostgreSQL database; fulfils `RowSource`.

    Attributes:
        server: the database.
        schema: the schema in it.
        table: the table in that.
        engine: what DuckDB may take to read it.
    """

    server: PostgresServer
    schema: str
    table: str
    engine: Engine

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.schema}.{self.table} of {self.warehouse.name}"

    @property
    def warehouse(self) -> PostgresWarehouse:
        """The database."""
        return PostgresWarehouse(self.server, self.engine)

    @contextmanager
    def read(self, connection: duckdb.DuckDBPyConnection) -> Iterator[OpenSource]:
        """The table; a query that names the relation sees one snapshot of it.

        Raises:
            WarehouseUnreachable: the server broke off.
            WarehouseRefused: it refuses the user, the password or the database.
            duckdb.Error: there is no such table, or a value has no landed form.
        """
        with reaching(self.server):
            yield OpenSource(connection, self._relation(connection))

    def _relation(self, connection: duckdb.DuckDBPyConnection) -> str:
        relation = f"{quoted(self.schema)}.{quoted(self.table)}"
        found = connection.execute(
            f"SELECT * FROM postgres_query('{_ATTACHED}', ?)",  # noqa: S608 - a constant
            [COLUMNS_QUERY.format(relation=literal(relation))],
        ).fetchall()
        if not found:
            raise duckdb.CatalogException(f"{relation} does not exist, or has no columns")
        columns = [PostgresColumn(*row) for row in found]
        query = literal(server_query(relation, columns))
        return f"(SELECT {received(columns)} FROM postgres_query('{_ATTACHED}', {query}))"  # noqa: S608 - all quoted


@contextmanager
def reaching(server: PostgresServer) -> Iterator[None]:
    """Tell a failing connection, at the beginning or later, from everything else that DuckDB raises.

    Raises:
        WarehouseUnreachable: the server does not answer, or broke off.
        WarehouseRefused: it refuses the user, the password or the database.
    """
    try:
        yield
    except duckdb.Error as error:
        message = str(error).replace(server.password, "***") if server.password else str(error)
        if not _CONNECTION.search(message):
            raise
        place = f"the PostgreSQL server {server.host}:{server.port}"
        if _REFUSAL.search(message):
            raise WarehouseRefused(
                f"{place} refuses the connection: {message}", hint="check user, password and database"
            ) from None
        raise WarehouseUnreachable(f"{place} cannot be reached: {message}", hint="see whether it runs") from None


def _session(role: str | None) -> str:
    settings = _SESSION | ({"role": role} if role else {})
    return " ".join(f"-c {name}={_escaped(value)}" for name, value in settings.items())


def _escaped(value: str) -> str:
    """A value in libpq's `options`, where spaces part and backslashes escape."""
    return re.sub(r"([\\\s])", r"\\\1", value)


def _parameter(value: str) -> str:
    """A value of a connection string."""
    return "'" + value.replace("\\", r"\\").replace("'", r"\'") + "'"
