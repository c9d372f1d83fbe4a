"""Watermarks: an append lands the rows above the largest value that the last landing has seen.

The value stands in the snapshot's properties, as DuckDB writes it, beside the column's name. Where there is none (the
table was landed in another mode, or by another column, or its snapshot expired) the table's own rows tell it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import duckdb
from pyiceberg.table import Table
from pyiceberg.table.snapshots import ancestors_of

from floe_lakehouse.errors import WatermarkMoved
from floe_lakehouse.identifiers import dotted
from floe_lakehouse.snapshots import (
    LANDING,
    LANDING_RUN,
    LATE_ROWS,
    MODE,
    RUN_ID,
    WATERMARK,
    WATERMARK_COLUMN,
    summary_of,
)
from floe_lakehouse.sql_text import literal, quoted
from floe_lakehouse.staged import StagedTable, Watermark


@dataclass(frozen=True, slots=True)
class RowsAbove:
    """What an append takes: the condition on the source's rows, the watermark, and how many rows it leaves."""

    condition: str
    watermark: Watermark
    late_rows: int


def rows_above(
    connection: duckdb.DuckDBPyConnection,
    rows: str,
    table: Table | None,
    *,
    column: str,
    duckdb_type: str,
    largest_present: Callable[[], str | None],
) -> RowsAbove:
    """Find the rows of the source that are above the watermark.

    Rows that come in meanwhile are left to the next landing. The first landing takes all rows; after it, a row without
    a value is never above.

    Args:
        connection: from a source.
        rows: the query of all rows of the source.
        table: the table as it was loaded; None while there is none.
        column: the watermark's column.
        duckdb_type: its type.
        largest_present: finds the largest value among the table's own rows.
    """
    landing, told = last_landing(table)
    before = told.get(WATERMARK) if told.get(WATERMARK_COLUMN) == column else largest_present()
    held = int(summary_of(table.current_snapshot()).get("total-records", 0)) if table else 0
    name = quoted(column)
    above = f"{name} > {_value(before, duckdb_type)}" if before is not None else f"{name} IS NOT NULL"
    query = (
        f"SELECT CAST(max({name}) FILTER (WHERE {above}) AS VARCHAR), count(*) FILTER (WHERE ({above}) IS NOT TRUE) "  # noqa: S608 - names are quoted
        f"FROM ({rows})"
    )
    largest, left = connection.execute(query).fetchall()[0]
    condition = f"{above} AND {name} <= {_value(largest, duckdb_type)}" if largest is not None else "false"
    late = max(0, left - held)
    if before is None and not held:
        condition, late = f"({condition} OR {name} IS NULL)", 0
    after = before if largest is None else largest
    return RowsAbove(condition, Watermark(column, before, after, landing), late)


def refuse_if_moved(table: Table | None, staged: StagedTable) -> None:
    """See that the table's last landing is the one above which rows were staged.

    Raises:
        WatermarkMoved: it is another one.
    """
    if staged.watermark is None:
        return
    if last_landing(table)[0] != staged.watermark.landing:
        raise WatermarkMoved(
            f"{dotted(staged.identifier)} was landed, or rolled back, since the rows above "
            f"{staged.watermark.before} were staged",
            hint="run the product again: the rows above the watermark of now will land",
        )


def last_landing(table: Table | None) -> tuple[str | None, Mapping[str, str]]:
    """The id of floe's last landing on which the table's current snapshot stands, as a text, and what it says.

    Where there is none, None and nothing. Maintenance says it again, as the landing itself may have expired since.
    """
    for one in ancestors_of(table.current_snapshot(), table.metadata) if table else ():
        told = summary_of(one)
        if RUN_ID in told:
            return str(one.snapshot_id), told  # a text: it has 64 bits, more than a number of JSON
        if LANDING in told:
            return told[LANDING], told
    return None, {}


def stands_on(table: Table) -> Mapping[str, str]:
    """What a snapshot that moves the table's rows into other files says of the landing that they are of."""
    landing, told = last_landing(table)
    if landing is None:
        return {}
    run_id = told.get(RUN_ID) or told.get(LANDING_RUN)
    return {
        LANDING: landing,
        **({LANDING_RUN: run_id} if run_id else {}),
        **{name: told[name] for name in (MODE, LATE_ROWS, WATERMARK_COLUMN, WATERMARK) if name in told},
    }


def stamp(watermark: Watermark | None) -> Mapping[str, str]:
    """What a snapshot says of the watermark."""
    if watermark is None or watermark.after is None:
        return {}
    return {WATERMARK_COLUMN: watermark.column, WATERMARK: watermark.after}


def _value(text: str, duckdb_type: str) -> str:
    return f"CAST({literal(text)} AS {duckdb_type})"
