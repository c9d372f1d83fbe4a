"""Which types of a warehouse a logical type of the standard stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_INTEGERS: Final = (
    "bigint bigserial byteint hugeint int int2 int4 int8 int16 int32 int64 int128 integer long mediumint serial short "
    "smallint smallserial tinyint ubigint uhugeint uinteger usmallint utinyint uint8 uint16 uint32 uint64"
)
_DECIMALS: Final = "bigdecimal bignumeric dec decimal fixed money number numeric"
_FLOATS: Final = "double float float4 float8 float32 float64 real"
_STRINGS: Final = (
    "bpchar char character citext clob enum longtext mediumtext name nchar nvarchar string text uuid varchar xml"
)
_TIMESTAMPS: Final = (
    "datetime datetime2 smalldatetime timestamp timestamp_ltz timestamp_ms timestamp_ns timestamp_ntz timestamp_s "
    "timestamp_tz timestampltz timestampntz timestamptz"
)
_FAMILIES: Final[Mapping[str, str]] = {
    name: family
    for family, names in {
        "integer": _INTEGERS,
        "decimal": _DECIMALS,
        "float": _FLOATS,
        "string": _STRINGS,
        "boolean": "bool boolean bit",
        "date": "date date32",
        "timestamp": _TIMESTAMPS,
        "time": "time timetz",
        "object": "object record row struct",
        "array": "array list",
        "map": "map",
        "json": "json jsonb super variant",
    }.items()
    for name in names.split()
}
"""The family of a type of DuckDB, PostgreSQL, Snowflake, BigQuery, Redshift, Databricks or Spark."""

_STANDS_FOR: Final[Mapping[str, frozenset[str]]] = {
    "string": frozenset({"string"}),
    "integer": frozenset({"integer"}),
    "number": frozenset({"integer", "decimal", "float"}),
    "boolean": frozenset({"boolean"}),
    "date": frozenset({"date"}),
    "timestamp": frozenset({"timestamp"}),
    "time": frozenset({"time"}),
    "object": frozenset({"object", "map", "json"}),
    "array": frozenset({"array", "json"}),
    "map": frozenset({"map", "object", "json"}),
    "vector": frozenset({"array"}),
}
_DATE_BEFORE_3_1: Final = frozenset({"date", "timestamp", "time"})
"""Version 3.0 of the standard has one logical type for all points in time."""

_LENGTHS: Final = re.compile(r"\(([^()]*)\)")
_WORDS: Final = (
    (re.compile(r"\bdouble precision\b"), "double"),
    (re.compile(r"\b(?:national )?(?:character|char) varying\b"), "varchar"),
    (re.compile(r" with(?:out)? (?:local )?time zone\b"), ""),
    (re.compile(r"\bunsigned\b|\bsigned\b"), ""),
)


def family_of(data_type: str) -> str | None:
    """The family of a type, as in decimal for `NUMERIC(10, 2)`; None for one that floe does not know.

    Decimals without digits after the point are integers: that is how Snowflake writes them.
    """
    name = " ".join(data_type.casefold().split())
    if name.endswith("]"):
        return "array"
    if "<" in name:
        name = name[: name.index("<")]
    if name.startswith(("struct(", "row(", "record(", "map(", "enum(")):
        name = name[: name.index("(")]
    lengths = _LENGTHS.search(name)
    name = _LENGTHS.sub("", name)
    for pattern, word in _WORDS:
        name = pattern.sub(word, name)
    family = _FAMILIES.get(name.strip())
    if family == "decimal" and lengths and "," in lengths[1] and lengths[1].split(",")[1].strip() == "0":
        return "integer"
    return family


def agree(logical_type: str, data_type: str, standard: str) -> bool | None:
    """Whether a column of `data_type` keeps the promise of `logical_type`.

    Args:
        logical_type: a logical type of the standard.
        data_type: a type of a warehouse.
        standard: version of the standard that the contract is written in.

    Returns:
        None when floe does not know the type of the warehouse.
    """
    family = family_of(data_type)
    if family is None:
        return None
    if logical_type == "date" and standard.startswith("v3.0."):
        return family in _DATE_BEFORE_3_1
    if logical_type == "integer" and data_type.casefold().strip() in {"number", "numeric", "decimal"}:
        return True  # Snowflake's NUMBER has no digits after the point unless it says so
    return family in _STANDS_FOR[logical_type]
