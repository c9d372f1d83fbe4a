"""Partition fields: what a project declares, Iceberg's spec of it, and DuckDB's SQL for the same values.

Rows are parted while DuckDB writes them, so its expressions must give what Iceberg's transforms give (specification,
"Partition Transforms"), for dates before 1970 too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from pyiceberg.partitioning import PARTITION_FIELD_ID_START, PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.transforms import (
    BucketTransform,
    IdentityTransform,
    TimeTransform,
    Transform,
    TruncateTransform,
    parse_transform,
)
from pyiceberg.typedef import Record
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    IcebergType,
    IntegerType,
    LongType,
    StringType,
    TimestampType,
    TimestamptzType,
)

from floe_contracts.errors import Where
from floe_contracts.suggestions import meant_or_known
from floe_lakehouse.errors import PartitionFieldInvalid
from floe_lakehouse.murmur import HASHED, NUMBER_OF, bucket_of
from floe_lakehouse.sql_text import quoted

_FIELD: Final = re.compile(r"(?P<transform>year|month|day|hour|(?:bucket|truncate)\[[1-9]\d{0,8}\])\((?P<column>.+)\)")
_MOMENTS: Final = (TimestampType, TimestamptzType)
_TAKEN: Final[dict[str, tuple[type[IcebergType], ...]]] = {
    "identity": (BooleanType, DecimalType, *HASHED),
    "year": (DateType, *_MOMENTS),
    "month": (DateType, *_MOMENTS),
    "day": (DateType, *_MOMENTS),
    "hour": _MOMENTS,
    "bucket": HASHED,
    "truncate": (IntegerType, LongType, DecimalType, StringType),
}
"""Types that floe parts by; Iceberg parts by binaries, floats and UUIDs too."""


@dataclass(frozen=True, slots=True)
class PartitionRule:
    """A partition field of a table: the column, its type and the transform of its values."""

    column: str
    column_type: IcebergType
    transform: Transform[Any, Any]

    @property
    def name(self) -> str:
        """The field's name, as Iceberg's own tools choose it: `ordered_at_day`, `id_bucket_16`."""
        match self.transform:
            case IdentityTransform():
                return self.column
            case BucketTransform():
                return f"{self.column}_bucket_{self.transform.num_buckets}"
            case TruncateTransform():
                return f"{self.column}_trunc_{self.transform.width}"
        return f"{self.column}_{self.transform}"

    def expression(self, relation: str) -> str:
        """The value of the field, for a row of `relation`, as SQL; Iceberg's own form of it, so a day is a number."""
        column = f"{relation}.{quoted(self.column)}"
        match self.transform:
            case BucketTransform():
                return bucket_of(column, self.column_type, self.transform.num_buckets)
            case TruncateTransform():
                return _truncated(column, self.column_type, self.transform.width)
            case TimeTransform():
                if isinstance(self.column_type, TimestamptzType):
                    column = f"make_timestamp(epoch_us({column}))"  # Iceberg's days are those of UTC
                since = "DATE '1970-01-01'" if isinstance(self.column_type, DateType) else "TIMESTAMP '1970-01-01'"
                return f"CAST(date_diff('{self.transform}', {since}, {column}) AS INTEGER)"
        number = NUMBER_OF.get(type(self.column_type))
        return number.format(column) if number else column


def partition_rules(
    table: str, declared: Iterable[str], columns: Sequence[tuple[str, IcebergType]]
) -> tuple[PartitionRule, ...]:
    """The partition fields that a project declares, for the columns that there are.

    Args:
        table: the table's name, for the error.
        declared: as in `day(ordered_at)`, `bucket[16](customer_id)`, `region`.
        columns: names and types.

    Raises:
        PartitionFieldInvalid: a field is malformed, names no column, or its column has a type that it does not take.
    """
    rules: list[PartitionRule] = []
    for field in declared:
        named = _FIELD.fullmatch(field)
        wanted = named["column"] if named else field
        found = [one for one in columns if one[0].casefold() == wanted.casefold()]
        if not found:
            hint = meant_or_known(wanted, [name for name, _ in columns])
            raise _refusal(table, field, f"names the column {wanted!r}, which the table does not have", hint)
        column, column_type = next((one for one in found if one[0] == wanted), found[0])
        transform = named["transform"] if named else "identity"
        taken = _TAKEN[transform.partition("[")[0]]
        if not isinstance(column_type, taken):
            kinds = ", ".join(sorted({kind.__name__.removesuffix("Type").lower() for kind in taken}))
            raise _refusal(table, field, f"has a column of the type {column_type}", f"it takes: {kinds}")
        rule = PartitionRule(column, column_type, parse_transform(transform))
        if any(rule.column == one.column and _alike(rule, one) for one in rules):
            raise _refusal(table, field, "says no more than another one of the same column", "leave one of them out")
        if not isinstance(rule.transform, IdentityTransform) and any(rule.name == name for name, _ in columns):
            raise _refusal(table, field, f"would be called {rule.name}, as a column of the table is", None)
        rules.append(rule)
    return tuple(rules)


def spec_of(rules: Sequence[PartitionRule], schema: Schema) -> PartitionSpec:
    """The spec of a new table."""
    return PartitionSpec(
        *(
            PartitionField(schema.find_field(rule.column).field_id, number, rule.transform, rule.name)
            for number, rule in enumerate(rules, start=PARTITION_FIELD_ID_START)
        )
    )


def evolve_spec(transaction: Transaction, rules: Sequence[PartitionRule]) -> None:
    """Make `rules` the partition fields of the table in `transaction`; files that are there keep theirs."""
    metadata = transaction.table_metadata
    present = {_key(field, metadata.schema()): field.name for field in metadata.spec().fields}
    wanted = {(rule.column, str(rule.transform)): rule for rule in rules}
    if present.keys() == wanted.keys():
        return
    with transaction.update_spec() as update:
        for key, name in present.items():
            if key not in wanted:
                update.remove_field(name)
        for key, rule in wanted.items():
            if key not in present:
                update.add_field(rule.column, rule.transform, rule.name)


def partition_record(metadata: TableMetadata, rules: Sequence[PartitionRule], values: Sequence[str | None]) -> Record:
    """The values of the rules as Iceberg has them, in the order of the fields of the table's spec.

    Args:
        metadata: the table.
        rules: its partition fields.
        values: their values as DuckDB writes them: numbers of 64 bits are more than JSON holds.
    """
    told = {(rule.column, str(rule.transform)): _read(rule, value) for rule, value in zip(rules, values, strict=True)}
    return Record(*(told[_key(field, metadata.schema())] for field in metadata.spec().fields))


def _read(rule: PartitionRule, value: str | None) -> Any:
    if value is None:
        return None
    match rule.transform.result_type(rule.column_type):
        case BooleanType():
            return value == "true"
        case DecimalType():
            return Decimal(value)
        case StringType():
            return value
    return int(value)


def _key(field: PartitionField, schema: Schema) -> tuple[str, str]:
    return schema.find_column_name(field.source_id) or "", str(field.transform)


def _alike(one: PartitionRule, other: PartitionRule) -> bool:
    """Whether Iceberg refuses both in one spec."""
    both_times = isinstance(one.transform, TimeTransform) and isinstance(other.transform, TimeTransform)
    return both_times or one.transform == other.transform


def _truncated(column: str, column_type: IcebergType, width: int) -> str:
    match column_type:
        case StringType():
            return f"left({column}, {width})"
        case DecimalType():
            kind = f"DECIMAL(38, {column_type.scale})"
            step = Decimal(width).scaleb(-column_type.scale)
            return f"CAST({_floored(f'CAST({column} AS {kind})', f'CAST({step:f} AS {kind})')} AS {column_type})"
    return f"CAST({_floored(f'CAST({column} AS HUGEINT)', str(width))} AS {_INTEGERS[type(column_type)]})"


_INTEGERS: Final[dict[type[IcebergType], str]] = {IntegerType: "INTEGER", LongType: "BIGINT"}


def _floored(value: str, step: str) -> str:
    return f"({value} - ((({value} % {step}) + {step}) % {step}))"


def _refusal(table: str, field: str, reason: str, hint: str | None) -> PartitionFieldInvalid:
    return PartitionFieldInvalid(
        f"the partition field {field!r} of {table} {reason}", where=Where(path=f"{table}.partitionBy"), hint=hint
    )
