"""Which rows of a table a write takes the place of: those of its partition, or those of its keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import AlwaysTrue, And, BooleanExpression
from pyiceberg.expressions.visitors import bind, extract_field_ids
from pyiceberg.io.pyarrow import _expression_to_complementary_pyarrow, expression_to_pyarrow
from pyiceberg.schema import Schema

from floe_lakehouse.errors import WriteKeyInvalid
from floe_lakehouse.row_filters import at_least, at_most

_ROW = "__floe_row"


class Matching(Protocol):
    """Says which rows go."""

    def row_filter(self) -> BooleanExpression:
        """No row that goes is outside of this."""
        ...

    def columns(self, schema: Schema) -> tuple[str, ...] | None:
        """The columns of the table that decide; None where it lacks one, so that no row goes."""
        ...

    def kept(self, rows: pa.Table, schema: Schema) -> pa.Table:
        """The rows that stay."""
        ...


@dataclass(frozen=True, slots=True)
class Filtered:
    """The rows of which an expression holds."""

    expression: BooleanExpression

    def row_filter(self) -> BooleanExpression:
        return self.expression

    def columns(self, schema: Schema) -> tuple[str, ...] | None:
        try:
            ids = extract_field_ids(bind(schema, self.expression, case_sensitive=True))
        except ValueError:
            return None
        return tuple(schema.find_column_name(field_id) or "" for field_id in sorted(ids))

    def kept(self, rows: pa.Table, schema: Schema) -> pa.Table:
        bound = bind(schema, self.expression, case_sensitive=True)
        return rows.filter(_expression_to_complementary_pyarrow(bound, schema))

    def count(self, rows: pa.Table, schema: Schema) -> int:
        """How many of `rows` it holds of."""
        bound = bind(schema, self.expression, case_sensitive=True)
        found: int = rows.filter(expression_to_pyarrow(bound, schema)).num_rows
        return found


@dataclass(frozen=True, slots=True)
class Keyed:
    """The rows whose key is one of these; memory holds the keys, not the rows."""

    keys: pa.Table

    def row_filter(self) -> BooleanExpression:
        """The range of each key column whose values Iceberg keeps bounds of."""
        found: BooleanExpression = AlwaysTrue()
        for name in self.keys.column_names:
            bounds = pc.min_max(self.keys[name]).as_py()
            if all(type(bound) in (int, str) for bound in bounds.values()):
                found = And(found, And(at_least(name, bounds["min"]), at_most(name, bounds["max"])))
        return found

    def columns(self, schema: Schema) -> tuple[str, ...] | None:
        names = self.keys.column_names
        return tuple(names) if set(names) <= set(schema.column_names) else None

    def kept(self, rows: pa.Table, schema: Schema) -> pa.Table:
        del schema
        names = self.keys.column_names
        numbered = rows.select(names).append_column(_ROW, pa.array(range(rows.num_rows), pa.int64()))
        keys = self.keys.cast(numbered.select(names).schema)
        left = numbered.join(keys, keys=names, join_type="left anti")[_ROW]
        return rows.take(left.combine_chunks().sort())


def keys_of(table: str, rows: pa.Table) -> Keyed:
    """The keys of the rows of a write.

    Args:
        table: what messages call the table.
        rows: the key columns of all rows.

    Raises:
        WriteKeyInvalid: a key has no value, or stands twice.
    """
    for name in rows.column_names:
        if rows[name].null_count:
            raise WriteKeyInvalid(f"{rows[name].null_count} rows for {table} have no value in the key column {name!r}")
    distinct = rows.group_by(rows.column_names).aggregate([])
    if distinct.num_rows < rows.num_rows:
        raise WriteKeyInvalid(
            f"{rows.num_rows - distinct.num_rows} of {rows.num_rows} rows for {table} repeat the key of another",
            hint="keep one row of each key, or name more columns in unique_key",
        )
    return Keyed(rows)
