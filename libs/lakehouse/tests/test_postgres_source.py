from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet
import pytest

from floe_chassis.testing_postgres import PostgresDatabase
from floe_chassis.testing_postgres import PostgresServer as OwnPostgres
from floe_lakehouse.duckdb_files import Engine, OpenSource, columns_of, copy_to_parquet
from floe_lakehouse.errors import ExtensionMissing, WarehouseRefused, WarehouseUnreachable
from floe_lakehouse.extension_files import load_extension
from floe_lakehouse.lake_folders import Lake
from floe_lakehouse.postgres_columns import decimal_of
from floe_lakehouse.postgres_source import PostgresServer, PostgresTable
from floe_lakehouse.types import landed_columns, projection

MOMENT = "2024-01-02 03:04:05.123456"
UUID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
LANDED = {
    # name: (what PostgreSQL has, the value as it lands, DuckDB's type of it)
    "smallint": ("1::int2", 1, "INTEGER"),
    "integer": ("2::int4", 2, "INTEGER"),
    "bigint": ("3::int8", 3, "BIGINT"),
    "oid": ("4::oid", "4", "VARCHAR"),
    "real": ("1.5::float4", 1.5, "FLOAT"),
    "double": ("'infinity'::float8", float("inf"), "DOUBLE"),
    "numeric": ("12.5::numeric(10, 2)", Decimal("12.50"), "DECIMAL(10,2)"),
    "bare numeric": ("12345678901234567890.123456789::numeric", Decimal("12345678901234567890.123456789"), None),
    "long numeric": ("1e20::numeric(60, 2)", Decimal("1e20"), "DECIMAL(38,2)"),
    "rounded numeric": ("1234::numeric(5, -2)", Decimal(1200), "DECIMAL(7,0)"),
    "boolean": ("true", True, "BOOLEAN"),
    "text": ("'it''s'::text", "it's", "VARCHAR"),
    "varchar": ("'y'::varchar(5)", "y", "VARCHAR"),
    "char": ("'z'::char(3)", "z", "VARCHAR"),
    "name": ("'n'::name", "n", "VARCHAR"),
    "bytea": (r"'\xdeadbeef'::bytea", b"\xde\xad\xbe\xef", "BLOB"),
    "date": ("'2024-01-02'::date", date(2024, 1, 2), "DATE"),
    "time": ("'10:11:12.123456'::time", time(10, 11, 12, 123456), "TIME"),
    "timetz": ("'10:11:12+02'::timetz", "10:11:12+02", "VARCHAR"),
    "timestamp": (
        "'2024-01-02 03:04:05.123456'::timestamp",
        datetime.fromisoformat("2024-01-02 03:04:05.123456"),
        "TIMESTAMP",
    ),
    "timestamptz": (
        "'2024-01-02 03:04:05+02'::timestamptz",
        datetime(2024, 1, 2, 1, 4, 5, tzinfo=UTC),
        "TIMESTAMP WITH TIME ZONE",
    ),
    "interval": ("'1 mon 2 days 03:04:05'::interval", "1 month 2 days 03:04:05", "VARCHAR"),
    "uuid": (f"'{UUID}'::uuid", UUID, "VARCHAR"),
    "json": ("""'{"a":1}'::json""", '{"a":1}', "VARCHAR"),
    "jsonb": ("""'{"b":[1]}'::jsonb""", '{"b": [1]}', "VARCHAR"),
    "xml": ("'<a/>'::xml", "<a/>", "VARCHAR"),
    "enum": ("'ok'::mood", "ok", "VARCHAR"),
    "money": ("'1234.5'::money", "$1,234.50", "VARCHAR"),
    "inet": ("'10.0.0.1/8'::inet", "10.0.0.1/8", "VARCHAR"),
    "cidr": ("'10.0.0.0/8'::cidr", "10.0.0.0/8", "VARCHAR"),
    "macaddr": ("'08:00:2b:01:02:03'::macaddr", "08:00:2b:01:02:03", "VARCHAR"),
    "bit": ("'1010'::bit(4)", "1010", "VARCHAR"),
    "point": ("'(1,2)'::point", "(1,2)", "VARCHAR"),
    "range": ("'[2024-01-01,2024-01-03)'::daterange", "[2024-01-01,2024-01-03)", "VARCHAR"),
    "tsvector": ("'a b'::tsvector", "'a' 'b'", "VARCHAR"),
    "composite": ("row(1, 'q')::pair", "(1,q)", "VARCHAR"),
    "domain": ("7.125::price", Decimal("7.13"), "DECIMAL(8,2)"),
    "domain of a domain": ("7.125::discount", Decimal("7.13"), "DECIMAL(8,2)"),
    "integers": ("'{1,null}'::int4[]", [1, None], "INTEGER[]"),
    "texts": ("'{a,\"b c\"}'::text[]", ["a", "b c"], "VARCHAR[]"),
    "numerics": ("'{1.5,2}'::numeric[]", [Decimal("1.5"), Decimal(2)], "DECIMAL(38,18)[]"),
    "moods": ("array['ok'::mood]", ["ok"], "VARCHAR[]"),
    "uuids": (
        "'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'::uuid[]",
        ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
        "VARCHAR[]",
    ),
    "jsons": ("""array['{"a": 1}'::jsonb]""", ['{"a": 1}'], "VARCHAR[]"),
    "null": ("null::numeric", None, "DECIMAL(38,18)"),
}
TYPES = """
    create type mood as enum ('sad', 'ok');
    create type pair as (a int, b text);
    create domain price as numeric(8, 2);
    create domain discount as price check (value > 0);
"""


def server(at: PostgresDatabase, **changes: Any) -> PostgresServer:
    given: dict[str, Any] = {
        "host": at.host,
        "port": at.port,
        "user": at.user,
        "password": at.password,
        "database": at.name,
    }
    return PostgresServer(**(given | changes))


@contextmanager
def opened(source: PostgresTable, lake: Lake) -> Iterator[OpenSource]:
    with source.warehouse.open([lake]) as connection, source.read(connection) as relation:
        yield relation


def table(at: PostgresDatabase, **changes: Any) -> PostgresTable:
    return PostgresTable(server(at, **changes), "public", "orders", Engine("200MB", 1))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake((tmp_path / "lake").as_uri())


def test_every_type_lands_whole(postgres_database: PostgresDatabase, lake: Lake, tmp_path: Path) -> None:
    values = ", ".join(f'{sql} as "{name}"' for name, (sql, _, _) in LANDED.items())
    postgres_database.run(f"{TYPES} create table orders as select {values}")
    (tmp_path / "lake").mkdir()

    with opened(table(postgres_database), lake) as source:
        columns = landed_columns("orders", columns_of(source))
        query = f"select {projection(columns)} from {source.relation}"
        (file,) = copy_to_parquet(
            source.connection, query, str(tmp_path / "lake" / "out"), prefix="a", file_size_bytes=2**20
        )

    found = pyarrow.parquet.read_table(file.target).to_pylist()
    assert found == [{name: value for name, (_, value, _) in LANDED.items()}]
    types = {column.name: column.duckdb_type.replace(", ", ",") for column in columns}
    assert types == {name: kind or "DECIMAL(38,18)" for name, (_, _, kind) in LANDED.items()}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("'NaN'::numeric", "NaN"),
        ("'{1,NaN}'::numeric[]", "NaN"),
        ("1e30::numeric", "1000000000000000000000000000000"),
        ("'infinity'::numeric", "Infinity"),
        ("array[[1,2],[3,4]]", "1 dimensions"),
    ],
    ids=["NaN", "NaN in an array", "too long", "infinity", "two dimensions"],
)
def test_a_value_that_would_change_is_refused(
    postgres_database: PostgresDatabase, lake: Lake, value: str, words: str
) -> None:
    postgres_database.run(f"create table orders as select {value} as amount")

    with pytest.raises(duckdb.Error, match=words), opened(table(postgres_database), lake) as source:
        source.connection.execute(f"select * from {source.relation}").fetchall()


@pytest.mark.parametrize(
    ("typmod", "decimal"),
    [
        (-1, (38, 18)),
        (((10 << 16) | 2) + 4, (10, 2)),
        (((60 << 16) | 2) + 4, (38, 2)),
        (((3 << 16) | 5) + 4, (5, 5)),
        (((5 << 16) | (2048 - 2)) + 4, (7, 0)),
        (((1000 << 16) | 500) + 4, (38, 38)),
    ],
)
def test_a_numeric_is_the_decimal_that_it_declares(typmod: int, decimal: tuple[int, int]) -> None:
    assert decimal_of(typmod) == decimal


def test_odd_names_are_read(postgres_database: PostgresDatabase, lake: Lake) -> None:
    postgres_database.run("""create schema "a ""b.c"; create table "a ""b.c"."it's; --" as select 1 as "x ""y'z" """)
    source = PostgresTable(server(postgres_database), 'a "b.c', "it's; --", Engine("200MB", 1))

    with opened(source, lake) as relation:
        assert relation.connection.execute(f"select * from {relation.relation}").fetchall() == [(1,)]
        assert columns_of(relation)[0][0] == "x \"y'z"


def test_a_table_that_is_missing_is_named(postgres_database: PostgresDatabase, lake: Lake) -> None:
    with (
        pytest.raises(duckdb.Error, match=r'"public"\."orders" does not exist'),
        opened(table(postgres_database), lake),
    ):
        pass


def test_nothing_is_written_and_no_other_file_is_read(
    postgres_database: PostgresDatabase, lake: Lake, tmp_path: Path
) -> None:
    postgres_database.run("create table orders as select 1 as id")
    (tmp_path / "secret").write_text("secret")

    with opened(table(postgres_database), lake) as source:
        with pytest.raises(duckdb.Error, match="read-only"):
            source.connection.execute("call postgres_execute('warehouse', 'drop table orders')")
        with pytest.raises(duckdb.Error, match="disabled by configuration"):
            source.connection.execute(f"select * from read_text('{tmp_path}/secret')")
        with pytest.raises(duckdb.Error, match="locked"):
            source.connection.execute("set enable_external_access = true")


def test_the_role_is_taken_on_and_texts_do_not_depend_on_the_users_settings(
    postgres_database: PostgresDatabase, lake: Lake
) -> None:
    postgres_database.run(
        f"""
        create role "an owner {postgres_database.name}";
        create user loader_{postgres_database.name} noinherit password 'it''s \\me'
            in role "an owner {postgres_database.name}";
        alter user loader_{postgres_database.name} set datestyle = 'SQL, DMY';
        create table orders as select '[2024-01-02,2024-01-03)'::daterange as days;
        alter table orders owner to "an owner {postgres_database.name}";
        """
    )
    loader = {"user": f"loader_{postgres_database.name}", "password": "it's \\me"}
    try:
        with opened(table(postgres_database, **loader, role=f"an owner {postgres_database.name}"), lake) as source:
            found = source.connection.execute(f"select * from {source.relation}").fetchall()
        with (
            pytest.raises(duckdb.Error, match="permission denied"),
            opened(table(postgres_database, **loader), lake) as s,
        ):
            s.connection.execute(f"select * from {s.relation}")
    finally:
        postgres_database.run(f"""
            drop table orders; drop user loader_{postgres_database.name};
            drop role "an owner {postgres_database.name}"
        """)
    assert found == [("[2024-01-02,2024-01-03)",)]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"password": "not-this-one"}, "password authentication failed"),
        ({"database": "nowhere"}, "does not exist"),
        ({"user": "nobody", "password": "not-this-one"}, "authentication failed"),
    ],
    ids=["password", "database", "user"],
)
def test_a_refusal_is_permanent_and_tells_no_password(
    postgres_database: PostgresDatabase, lake: Lake, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(WarehouseRefused, match=words) as caught, opened(table(postgres_database, **changes), lake):
        pass
    told = f"{caught.value} {caught.value.hint} {table(postgres_database, **changes)!r}"
    assert "not-this-one" not in told
    assert postgres_database.password not in told


@pytest.mark.parametrize("changes", [{"port": 1}, {"host": "nohost.invalid"}], ids=["closed port", "unknown host"])
def test_a_server_that_does_not_answer_is_transient(
    postgres_database: PostgresDatabase, lake: Lake, changes: dict[str, Any]
) -> None:
    with pytest.raises(WarehouseUnreachable, match="FLOE-LAKE-051"), opened(table(postgres_database, **changes), lake):
        pass


def test_a_server_that_goes_away_meanwhile_is_transient(own_postgres: OwnPostgres, lake: Lake) -> None:
    own_postgres.database.run("create table orders as select generate_series(1, 3) as id")

    def read_after_its_end() -> None:
        with opened(table(own_postgres.database), lake) as source:
            own_postgres.stop()
            source.connection.execute(f"select * from {source.relation}").fetchall()

    with pytest.raises(WarehouseUnreachable):
        read_after_its_end()


def test_an_extension_that_is_not_installed_is_named() -> None:
    with duckdb.connect() as connection, pytest.raises(ExtensionMissing, match="spatial") as caught:
        load_extension(connection, "spatial")
    assert caught.value.hint == f"install duckdb-extension-spatial=={duckdb.__version__}"
