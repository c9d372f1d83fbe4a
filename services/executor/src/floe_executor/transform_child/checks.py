"""Quality checks of a transform's table, with the meaning that dbt's tests of the same names have."""

from __future__ import annotations

from collections.abc import Sequence

from floe_executor.transform_child.job import CheckJob
from floe_executor.transform_child.warehouse import Warehouse, quoted


def failures(warehouse: Warehouse, schema: str, table: str, check: CheckJob) -> int:
    """How much of the table a check finds fault with, counted as dbt counts it.

    Raises:
        duckdb.Error: the check could not be made, for example because there is no such column.
    """
    relation, column = f"{quoted(schema)}.{quoted(table)}", quoted(check.column)
    query, parameters = _query(relation, column, check)
    return warehouse.number(f"SELECT count(*) FROM ({query})", parameters)  # noqa: S608 -- names are quoted


def _query(relation: str, column: str, check: CheckJob) -> tuple[str, Sequence[str]]:
    if check.type == "not_null":
        return f"SELECT 1 FROM {relation} WHERE {column} IS NULL", ()  # noqa: S608 -- names are quoted
    values = f"SELECT {column} FROM {relation} WHERE {column} IS NOT NULL"  # noqa: S608 -- names are quoted
    if check.type == "unique":
        return f"{values} GROUP BY 1 HAVING count(*) > 1", ()
    marks = ", ".join("?" for _ in check.values) or "NULL"
    return f"{values} AND {column}::VARCHAR NOT IN ({marks}) GROUP BY 1", check.values
