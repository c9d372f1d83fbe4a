"""How answers of the catalog service are shown to people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from floe_contracts.catalog_requests import (
    MaintenanceResult,
    NamespaceEntry,
    SnapshotDiff,
    SnapshotEntry,
    SnapshotList,
    TableDescription,
    TableEntry,
)
from floe_contracts.digests import short
from floe_contracts.events.tables import TableDrift, TableSchema
from floe_contracts.maintenance import CompiledMaintenance

_NUMBERS: Final = frozenset({"tables", "rows", "files", "size", "snapshot", "parent", "seconds", "drift", "id"})
_STYLES: Final = {"done": "green", "nothing_to_do": "dim", "unsupported": "yellow", "failed": "red"}
_RUN_SHOWN: Final = 8
_UNREADABLE: Final = frozenset({"schema.name-mapping.default"})
"""Properties that are there for programs, and long."""


def namespaces_view(namespaces: Iterable[NamespaceEntry]) -> Table:
    """A line for each namespace."""
    table = _table("namespace", "product", "tables", "owner", "artifact")
    for one in namespaces:
        digest = one.properties.get("floe.artifact-digest", "")
        table.add_row(
            one.namespace,
            one.product,
            str(one.tables),
            one.properties.get("owner", ""),
            short(digest) if digest else "",
        )
    return table


def tables_view(tables: Iterable[TableEntry]) -> Table:
    """A line for each table."""
    view = _table("table", "rows", "files", "size", "committed", "run", "drift")
    for one in tables:
        snapshot = one.snapshot
        drift = Text(str(one.drift), style="yellow") if one.drift else ""
        if snapshot is None:
            view.add_row(one.identifier, "", "", "", "", "", drift)
        else:
            view.add_row(one.identifier, *_figures(snapshot), moment(snapshot.committed_at), _run(snapshot), drift)
    return view


def description_view(described: TableDescription) -> Iterator[RenderableType]:
    """All of one table: what it is, its columns, how it differs from what is declared."""
    facts = _table("", "", header=False)
    for name, value in _facts(described):
        facts.add_row(Text(name, style="dim"), value)
    yield facts
    yield columns_view(described.table_schema)
    if described.drift:
        yield drift_view(described.drift)


def columns_view(schema: TableSchema) -> Table:
    """A line for each column."""
    table = _table("id", "column", "type", "")
    for column in schema.columns:
        table.add_row(str(column.field_id), column.name, column.type, "not null" if column.required else "")
    return table


def drift_view(drift: Iterable[TableDrift]) -> Table:
    """A line for each difference from what the project declares."""
    table = _table("differs", "column", "declared", "found")
    for one in drift:
        table.add_row(Text(one.kind, style="yellow"), one.column or "", one.declared or "", one.found or "")
    return table


def snapshots_view(listed: SnapshotList) -> Table:
    """A line for each snapshot, the newest first; the current one is marked."""
    table = _table("", "snapshot", "committed", "operation", "rows", "files", "size", "run", "names")
    for one in listed.snapshots:
        table.add_row(
            Text("*", style="green") if one.snapshot_id == listed.current_snapshot_id else "",
            str(one.snapshot_id),
            moment(one.committed_at),
            f"{one.operation}, maintenance" if one.maintenance else one.operation,
            *_figures(one),
            _run(one),
            " ".join([*one.tags, *(name for name in one.branches if name != "main")]),
        )
    return table


def diff_view(diff: SnapshotDiff) -> Iterator[RenderableType]:
    """What differs between two snapshots: figures, then columns."""
    figures = _table("", "snapshot", "committed", "rows", "files", "size")
    for name, one in (("before", diff.before), ("after", diff.after)):
        figures.add_row(name, str(one.snapshot_id), moment(one.committed_at), *_figures(one))
    yield figures
    yield (
        f"{_count(diff.files_added, 'file')} with {_count(diff.rows_in_added_files, 'row')} came, "
        f"{diff.files_removed:,} with {_count(diff.rows_in_removed_files, 'row')} went"
    )
    if diff.rows_added is not None and diff.rows_removed is not None:
        yield f"{_count(diff.rows_added, 'row')} came and {diff.rows_removed:,} went, in the columns of both"
    columns = _table("column", "before", "after")
    for column in diff.columns_added:
        columns.add_row(Text(f"+ {column.name}", style="green"), "", column.type)
    for column in diff.columns_removed:
        columns.add_row(Text(f"- {column.name}", style="red"), column.type, "")
    for change in diff.columns_changed:
        before, after = change.before, change.after
        name = before.name if before.name == after.name else f"{before.name} > {after.name}"
        columns.add_row(Text(f"~ {name}", style="yellow"), before.type, after.type)
    yield columns if columns.row_count else "the same columns"


def rows_view(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Table:
    """The rows of a table."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in columns:
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in columns))
    return table


def results_view(results: Sequence[MaintenanceResult]) -> Table:
    """A line for each table that something was done to, or would be."""
    table = _table("table", "outcome", "what")
    for one in results:
        outcome = one.outcome.replace("_", " ")
        word = f"would be {outcome}" if one.dry_run and one.outcome == "done" else outcome
        table.add_row(one.identifier, Text(word, style=_STYLES[one.outcome]), one.reason or _done(one))
    return table


def moment(text: str) -> str:
    """A time in UTC, to the second."""
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def size(number: int | None) -> str:
    """A number of bytes for people to read."""
    if number is None:
        return ""
    amount = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def _done(result: MaintenanceResult) -> str:
    match result.action:
        case "compaction":
            files = f"{_count(result.files_before, 'file')} become {result.files_after:,}"
            return f"{files}, {size(result.bytes_before)} become {size(result.bytes_after)}"
        case "manifests":
            return f"{_count(result.files_before, 'manifest')} become {result.files_after:,}"
        case "rollback":
            return f"from {result.snapshot_before} to {result.snapshot_after}"
        case _:
            gone = f"{_count(result.files_removed, 'file')}, {size(result.bytes_removed)}"
            expired = _count(len(result.snapshots_removed), "snapshot")
            return f"{expired}, {gone}" if result.action == "expiry" else gone


def _facts(described: TableDescription) -> Iterator[tuple[str, RenderableType]]:
    yield "table", described.identifier
    yield "product", described.product
    yield "location", described.location
    yield "format", f"Iceberg {described.format_version}, uuid {described.table_uuid}"
    if described.table_schema.partition_by:
        yield "partitioned by", ", ".join(described.table_schema.partition_by)
    if (snapshot := described.snapshot) is not None:
        yield "snapshot", f"{snapshot.snapshot_id}, {snapshot.operation}, {moment(snapshot.committed_at)}"
        yield "holds", f"{_count(snapshot.rows, 'row')} in {_count(snapshot.files, 'file')}, {size(snapshot.bytes)}"
        if snapshot.run_id:
            yield "run", snapshot.run_id
    yield "snapshots", f"{described.snapshots:,}"
    yield "maintenance", _policy(described)
    yield from sorted(item for item in described.properties.items() if item[0] not in _UNREADABLE)


def _policy(described: TableDescription) -> str:
    policy: CompiledMaintenance = described.maintenance
    if not policy.enabled:
        return "off"
    when = f"after {policy.after_commits:,} commits, and at {policy.schedule} {policy.timezone}"
    last = f"last {moment(described.maintained_at)}" if described.maintained_at else "not yet"
    return f"{when}; {last}, {described.commits_since_maintenance:,} commits since"


def _count(number: int | None, what: str) -> str:
    return f"unknown {what}s" if number is None else f"{number:,} {what}{'' if number == 1 else 's'}"


def _figures(snapshot: SnapshotEntry) -> tuple[str, str, str]:
    rows, files = (f"{number:,}" if number is not None else "" for number in (snapshot.rows, snapshot.files))
    return rows, files, size(snapshot.bytes)


def _run(snapshot: SnapshotEntry) -> str:
    return (snapshot.run_id or "")[:_RUN_SHOWN]


def _cell(value: Any) -> Text:
    return Text("null", style="dim") if value is None else Text(str(value))


def _table(*columns: str, header: bool = True) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=header)
    for column in columns:
        justify: JustifyMethod = "right" if column in _NUMBERS else "left"
        table.add_column(column, justify=justify, overflow="fold")
    return table
