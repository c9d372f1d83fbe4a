"""Types of warehouse columns as types of Cube dimensions.

The words are those that the documentations of DuckDB, PostgreSQL, Snowflake, BigQuery, Redshift, Databricks and Spark
list, with their aliases. No word means one thing in one of them and another in the next.
"""

from __future__ import annotations

import re
from typing import Final

from floe_semantic.core.rendering.cubes.members import DimensionType
from floe_semantic.core.rendering.sql.identifiers import words

_NUMBER: Final = words(
    "bigint int int1 int2 int4 int8 int16 int32 int64 int128 integer smallint tinyint mediumint hugeint uhugeint "
    "utinyint usmallint uinteger ubigint uint8 uint16 uint32 uint64 uint128 signed byte byteint short long varint "
    "bignum serial bigserial smallserial serial2 serial4 serial8 "
    "decimal dec numeric number bignumeric bigdecimal decfloat float float4 float8 float32 float64 real double"
)
_TIME: Final = words(
    "date datetime timestamp timestamptz timestampltz timestampntz timestamp_s timestamp_ms timestamp_us timestamp_ns "
    "timestamp_ntz timestamp_ltz timestamp_tz"
)
_BOOLEAN: Final = words("bool boolean logical")
_STRING: Final = words(
    "varchar varchar2 char bpchar character text string nvarchar nvarchar2 nchar citext name uuid enum time timetz "
    "inet cidr macaddr macaddr8"
)
_KINDS: Final[tuple[tuple[frozenset[str], DimensionType], ...]] = (
    (_NUMBER, "number"),
    (_TIME, "time"),
    (_BOOLEAN, "boolean"),
    (_STRING, "string"),
)
_FIRST_WORD: Final = re.compile(r"(?:pg_catalog\.)?(?P<word>[a-z_][a-z0-9_]*)(?!\w|\.)")
# Many values in one: `integer[]`, `int array[4]`, `varchar(10) array`. Of bits, and of many words, none is meant.
_MANY: Final = re.compile(r"\]$|\barray\b|\bbit\b")


def dimension_type(data_type: str) -> DimensionType | None:
    """The type of a dimension over a column of `data_type`.

    Returns:
        None for what Cube has no type for (lists, structs, documents, bytes, intervals, places), and for what is not
        known.
    """
    plain = " ".join(data_type.lower().split())
    word = _FIRST_WORD.match(plain)
    if word is None or _MANY.search(plain):
        return None
    return next((kind for known, kind in _KINDS if word["word"] in known), None)


_SPOKEN_TIME: Final = re.compile(r"(?:.*_)?(?:at|date|datetime|timestamp|ts)|date_.*", re.IGNORECASE)


def type_by_name(column: str) -> DimensionType:
    """What a column without a declared type is taken for: a time if its name says so (`created_at`), or else text."""
    return "time" if _SPOKEN_TIME.fullmatch(column) and column.casefold() not in {"at", "ts"} else "string"
