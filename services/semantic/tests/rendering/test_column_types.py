"""Types of the seven warehouses, as their documentations list them, and what Cube takes them for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_semantic.core.rendering.sql.column_types import dimension_type, type_by_name

TYPES = {
    "duckdb": {
        "number": "bigint int8 long integer int4 int signed smallint int2 short tinyint int1 hugeint int128 uhugeint "
        "ubigint uinteger usmallint utinyint double float8 float float4 real decimal(18,3) numeric bignum "
        "varint",
        "time": "date timestamp datetime timestamp_s timestamp_ms timestamp_ns timestamptz",
        "boolean": "boolean bool logical",
        "string": "varchar char bpchar text string uuid time timetz enum('a','b')",
        None: "blob bytea binary varbinary bit bitstring interval json integer[] integer[3] varchar(10)[] "
        "struct(a_integer) map(varchar,integer) union(num_int) null geometry",
    },
    "postgres": {
        "number": "bigint int8 bigserial serial8 integer int int4 smallint int2 smallserial serial decimal "
        "numeric(10,2) real float4 float8 float(24)",
        "time": "date timestamp timestamp(3) timestamptz timestamptz(6)",
        "boolean": "boolean bool pg_catalog.bool",
        "string": "varchar(5) character(5) char bpchar text citext name uuid time timetz inet cidr macaddr macaddr8",
        None: "bytea bit bit(3) varbit json jsonb xml money interval point polygon tsvector int4range int4[] "
        'text[][] hstore "char" my_enum public.my_enum pg_lsn vector(3)',
    },
    "snowflake": {
        "number": "number(38,0) decimal dec numeric int integer bigint smallint tinyint byteint float float4 float8 "
        "double real decfloat",
        "time": "date datetime timestamp timestamp_ltz timestamp_ntz(9) timestamp_tz timestampltz timestampntz",
        "boolean": "boolean",
        "string": "varchar(16777216) char character nchar string text nvarchar nvarchar2 time time(9) uuid",
        None: "binary varbinary variant object array array(number) map(varchar,number) vector(float,256) geography "
        "geometry file",
    },
    "bigquery": {
        "number": "int64 int smallint integer bigint tinyint byteint numeric(10,2) decimal bignumeric bigdecimal "
        "float64",
        "time": "date datetime timestamp",
        "boolean": "bool boolean",
        "string": "string string(10) time",
        None: "bytes json geography interval array<int64> struct<a_int64> range<date>",
    },
    "redshift": {
        "number": "smallint int2 integer int int4 bigint int8 decimal numeric(19,4) real float4 float8 float",
        "time": "date timestamp timestamptz",
        "boolean": "boolean bool",
        "string": "char character nchar bpchar varchar(max) nvarchar text time timetz",
        None: "super geometry geography hllsketch varbyte varbinary intervaly2m",
    },
    "databricks": {
        "number": "tinyint byte smallint short int integer bigint long float real double decimal(10,2) dec numeric",
        "time": "date timestamp timestamp_ntz timestamp_ltz",
        "boolean": "boolean",
        "string": "string char(3) varchar(10)",
        None: "binary void variant object geography(4326) geometry(any) array<int> map<string,int> struct<a:int>",
    },
    "spark": {
        "number": "byte tinyint short smallint integer int long bigint float real double decimal(38,18)",
        "time": "date timestamp timestamp_ntz timestamp_ltz",
        "boolean": "boolean",
        "string": "string char(3) varchar(10)",
        None: "binary void calendarinterval array<string> map<string,array<int>> struct<a:struct<b:int>>",
    },
}


@pytest.mark.parametrize(
    ("data_type", "kind"),
    [
        pytest.param(data_type, kind, id=f"{warehouse}-{data_type}")
        for warehouse, kinds in TYPES.items()
        for kind, listed in kinds.items()
        for data_type in listed.split()
    ],
)
def test_types_of_every_warehouse(data_type: str, kind: str | None) -> None:
    assert dimension_type(data_type) == kind
    assert dimension_type(f" {data_type.upper()} ") == kind


@pytest.mark.parametrize(
    ("data_type", "kind"),
    [
        ("double precision", "number"),
        ("DECIMAL( 18 , 2 )", "number"),
        ("integer not null", "number"),
        ("timestamp(3) with time zone", "time"),
        ("time without time zone", "string"),
        ("character varying(20)", "string"),
        ("varchar(10) collate 'en-ci'", "string"),
        ("STRING COLLATE UNICODE", "string"),
        ("bit varying(5)", None),
        ("integer ARRAY[4]", None),
        ("int array", None),
        ("interval day to second", None),
        ("STRUCT<a INT64, b STRING>", None),
        ("my type", None),
        ("", None),
        ("???", None),
        ("{{ type }}", None),
    ],
)
def test_types_of_several_words(data_type: str, kind: str | None) -> None:
    assert dimension_type(data_type) == kind


@given(st.text(max_size=30))
def test_no_text_is_too_strange(data_type: str) -> None:
    assert dimension_type(data_type) in {"number", "string", "time", "boolean", None}


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("created_at", "time"),
        ("ORDER_DATE", "time"),
        ("date", "time"),
        ("date_of_birth", "time"),
        ("load_ts", "time"),
        ("at", "string"),
        ("state", "string"),
        ("format", "string"),
        ("update", "string"),
        ("is_late", "string"),
    ],
)
def test_names_that_speak_of_a_time(column: str, kind: str) -> None:
    assert type_by_name(column) == kind
