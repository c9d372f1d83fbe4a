"""The words of warehouses for types."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from floe_catalog.adapters.declared_types import POSTGRES, DeclaredTypes, postgres_type
from floe_chassis.testing_postgres import PostgresDatabase
from floe_lakehouse.duckdb_files import Engine, columns_of
from floe_lakehouse.postgres_source import PostgresServer, PostgresTable
from floe_lakehouse.types import landed_columns


@pytest.fixture
def types() -> Iterator[DeclaredTypes]:
    types = DeclaredTypes()
    yield types
    types.close()


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("integer", "INTEGER"),
        ("decimal(10,2)", "DECIMAL(10,2)"),
        ("timestamptz", "TIMESTAMP WITH TIME ZONE"),
        ("struct(a int, b varchar[])", "STRUCT(a INTEGER, b VARCHAR[])"),
        ("enum('a', 'b')", "ENUM('a', 'b')"),
    ],
)
def test_duckdb_reads_its_own_words(types: DeclaredTypes, word: str, known: str) -> None:
    assert str(types.read("duckdb", word)) == known


@pytest.mark.parametrize("word", ["mood", "int; drop table x", "int) from read_csv('/etc/passwd') --", ""])
def test_what_is_no_type_is_not_known(types: DeclaredTypes, word: str) -> None:
    assert types.read("duckdb", word) is None


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("integer", "INTEGER"),
        ("INT8", "BIGINT"),
        ("numeric(10, 2)", "DECIMAL(10, 2)"),
        ("numeric(5)", "DECIMAL(5, 0)"),
        ("numeric(5, -2)", "DECIMAL(7, 0)"),
        ("numeric", "DECIMAL(38, 18)"),
        ("character varying(20)", "VARCHAR"),
        ("timestamp(3) without time zone", "TIMESTAMP"),
        ("timestamp with  time zone", "TIMESTAMPTZ"),
        ("time with time zone", "VARCHAR"),
        ("double precision", "DOUBLE"),
        ("float(24)", "FLOAT"),
        ("float(25)", "DOUBLE"),
        ("jsonb", "VARCHAR"),
        ("text[][]", "VARCHAR[]"),
        ("numeric(4,1)[]", "DECIMAL(4, 1)[]"),
        ("mood", None),
        ("int; drop table x", None),
    ],
)
def test_words_of_postgresql_are_what_a_landing_reads_from_there(word: str, known: str | None) -> None:
    assert postgres_type(word) == known


def test_a_column_of_postgresql_lands_as_it_was_declared(
    postgres_database: PostgresDatabase, types: DeclaredTypes
) -> None:
    """All words at once, in a table of a real server, read as a landing reads it."""
    words = [*POSTGRES, "numeric(10, 2)", "numeric", "float(24)", "float(25)", "varchar(9)", "char(3)", "timestamp(3)"]
    words = [word for word in words if "serial" not in word] + ["text[]", "int[]", "numeric(4, 1)[]", "timestamptz[]"]
    declared = {f"c{number}": word for number, word in enumerate(words)}
    postgres_database.run(f"create table orders ({', '.join(f'{name} {word}' for name, word in declared.items())})")
    given = urlsplit(postgres_database.url)
    server = PostgresServer(
        host=given.hostname or "",
        port=given.port or 0,
        user=given.username or "",
        password=given.password or "",
        database=given.path.removeprefix("/"),
    )
    source = PostgresTable(server, "public", "orders", Engine("200MB", 1))
    with source.warehouse.open([]) as connection, source.read(connection) as opened:
        read = landed_columns("orders", columns_of(opened))
    wanted = landed_columns("orders", [(name, types.read("postgres", word)) for name, word in declared.items()])
    landed = {declared[column.name]: column.duckdb_type for column in read}
    assert {declared[column.name]: column.duckdb_type for column in wanted} == landed
