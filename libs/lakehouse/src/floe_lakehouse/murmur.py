"""Iceberg's bucket hash (32-bit Murmur3 of x86, seed 0) as SQL of DuckDB, which has none of its own.

The rules for each type are those of Iceberg's specification, appendix B. DuckDB counts in 64 bits here, so every
product is cut to 32.
"""

from __future__ import annotations

from typing import Final

from pyiceberg.types import (
    DateType,
    IcebergType,
    IntegerType,
    LongType,
    StringType,
    TimestampType,
    TimestamptzType,
    TimeType,
)

_LOW_32_BITS: Final = 0xFFFFFFFF
_FIRST_FACTOR: Final = 0xCC9E2D51
_SECOND_FACTOR: Final = 0x1B873593
_DIGITS_OF_A_BLOCK: Final = 8

NUMBER_OF: Final[dict[type[IcebergType], str]] = {
    IntegerType: "CAST({0} AS BIGINT)",
    LongType: "{0}",
    DateType: "CAST(date_diff('day', DATE '1970-01-01', {0}) AS BIGINT)",
    TimeType: "epoch_us({0})",
    TimestampType: "epoch_us({0})",
    TimestamptzType: "epoch_us({0})",
}
"""What a value is as a number of Iceberg: days, or microseconds."""
HASHED: Final[tuple[type[IcebergType], ...]] = (*NUMBER_OF, StringType)
"""Types that can be hashed here; Iceberg hashes decimals, binaries and UUIDs too."""


def bucket_of(column: str, column_type: IcebergType, buckets: int) -> str:
    """The SQL expression of the bucket that a value belongs to; null for null.

    Args:
        column: the column, quoted.
        column_type: one of `HASHED`.
        buckets: how many there are.
    """
    if isinstance(column_type, StringType):
        hashed = _hash_of_text(column)
    else:
        hashed = _hash_of_number(NUMBER_OF[type(column_type)].format(column))
    return f"CAST(({hashed} & 2147483647) % {buckets} AS INTEGER)"


def _hash_of_number(number: str) -> str:
    low = f"CAST(({number}) & {_LOW_32_BITS} AS UBIGINT)"
    high = f"CAST((({number}) >> 32) & {_LOW_32_BITS} AS UBIGINT)"
    return _finished(_mixed(_mixed("CAST(0 AS UBIGINT)", low), high), "8")


def _hash_of_text(text: str) -> str:
    digits = f"hex(encode({text}))"
    length = f"CAST(octet_length(encode({text})) AS UBIGINT)"
    blocks = (
        f"list_transform(range(octet_length(encode({text})) // 4), "
        f"lambda block: {_little_endian(digits, f'block * {_DIGITS_OF_A_BLOCK}', 4)})"
    )
    body = f"list_reduce(list_prepend(CAST(0 AS UBIGINT), {blocks}), lambda hash, block: {_mixed('hash', 'block')})"
    start = f"(octet_length(encode({text})) // 4) * {_DIGITS_OF_A_BLOCK}"
    rest = [f"WHEN {size} THEN xor({body}, {_scrambled(_little_endian(digits, start, size))})" for size in (1, 2, 3)]
    return _finished(f"(CASE octet_length(encode({text})) % 4 {' '.join(rest)} ELSE {body} END)", length)


def _little_endian(digits: str, start: str, size: int) -> str:
    """The number of which the hexadecimal digits stand there, its lowest byte first."""
    pairs = " || ".join(f"substr({digits}, {start} + {2 * byte + 1}, 2)" for byte in reversed(range(size)))
    return f"CAST('0x' || {pairs} AS UBIGINT)"


def _mixed(value: str, block: str) -> str:
    return f"(({_rotated(f'xor({value}, {_scrambled(block)})', 13)} * 5 + {0xE6546B64}) & {_LOW_32_BITS})"


def _scrambled(block: str) -> str:
    return f"(({_rotated(f'(({block}) * {_FIRST_FACTOR} & {_LOW_32_BITS})', 15)} * {_SECOND_FACTOR}) & {_LOW_32_BITS})"


def _rotated(value: str, bits: int) -> str:
    return f"(((({value}) << {bits}) | (({value}) >> {32 - bits})) & {_LOW_32_BITS})"


def _finished(value: str, length: str) -> str:
    value = f"xor({value}, {length})"
    # A lambda names what is used twice; written out, the text would double with every step.
    for bits, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        value = f"list_transform([{value}], lambda h: (xor(h, h >> {bits}) * {factor}) & {_LOW_32_BITS})[1]"
    return f"list_transform([{value}], lambda h: xor(h, h >> 16))[1]"
