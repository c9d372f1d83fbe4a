"""Types of warehouse columns as types of Cube dimensions."""

from __future__ import annotations

import re
from typing import Final

from floe_semantic.core.rendering.cubes.members import DimensionType
from floe_semantic.core.rendering.sql.identifiers import words

_NUMBER: Final = words(
    "bigint int int1 int2 int4 int8 int16 int32 int64 int128 integer smallint tinyint mediumint hugeint uhugeint "
    "utinyint usmallint uinteger ubigint uint8 uint16 uint32 uint64 signed short long decimal dec numeric number "
    "bignumeric money float float4 float8 float32 float64 real double"
)
_TIME: Final = words(
    "date datetime datetime2 timestamp timestamptz timestampltz timestampntz timestamp_s timestamp_ms timestamp_us "
    "timestamp_ns timestamp_ntz timestamp_ltz timestamp_tz"
)
_BOOLEAN: Final = words("bool boolean logical bit")
_STRING: Final = words("varchar char bpchar character text string nvarchar nchar uuid enum time timetz name")
_FIRST_WORD: Final = re.compile(r"[a-z_][a-z0-9_]*")


def dimension_type(data_type: str) -> DimensionType | None:
    """The type of a dimension over a column of `data_type`, or None if Cube has none for it (lists, structs, blobs)."""
    plain = data_type.strip().lower()
    word = _FIRST_WORD.match(plain)
    if word is None or plain.endswith("]"):
        return None
    kinds: tuple[tuple[frozenset[str], DimensionType], ...] = (
        (_NUMBER, "number"),
        (_TIME, "time"),
        (_BOOLEAN, "boolean"),
        (_STRING, "string"),
    )
    return next((kind for words, kind in kinds if word.group(0) in words), None)
