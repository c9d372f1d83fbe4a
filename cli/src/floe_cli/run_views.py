"""How runs, backfills and live products are shown: as tables for people, as JSON values for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from floe_cli.follow.progress import Progress
from floe_cli.follow.result import reason_of
from floe_contracts.digests import short
from floe_contracts.events import RunOptions
from floe_contracts.live_products import LiveProduct
from floe_contracts.runs import RunRecord
from floe_contracts.schedule_ticks import next_tick

SHORT_ID: Final = 8
_PIPE_WIDTH: Final = 240
_STYLES: Final = {
    "completed": "green",
    "success": "green",
    "warned": "yellow",
    "failed": "red",
    "started": "cyan",
    "running": "cyan",
    "aborted": "yellow",
    "cancelled": "yellow",
    "superseded": "yellow",
}


def table_console() -> Console:
    """A console for tables: into a pipe or file, no line is broken."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)


def runs_table(records: Iterable[RunRecord]) -> Table:
    """A line for each run."""
    table = _table("run", "product", "environment", "status", "asked for", "seconds", "by", "what")
    for record in records:
        table.add_row(
            record.run_id[:SHORT_ID],
            record.product,
            record.environment,
            _status(record.status.value),
            _moment(record.requested_at),
            _seconds(record),
            record.trigger,
            " ".join(options_in_words(record.options)),
        )
    return table


def run_lines(record: RunRecord, progress: Progress) -> Iterator[RenderableType]:
    """All of one run: what it is, its nodes, its tables."""
    facts = _table("", "", header=False)
    for name, value in _facts(record, progress):
        facts.add_row(Text(name, style="dim"), value)
    yield facts
    if progress.nodes:
        nodes = _table("node", "status", "seconds")
        for node in progress.nodes.values():
            nodes.add_row(node.unique_id, _status(node.status), f"{node.seconds:.2f}")
        yield nodes
    if tables := getattr(progress.outcome, "tables", ()):
        landed = _table("table", "rows", "snapshot")
        for one in tables:
            landed.add_row(one.identifier, f"{one.rows:,}", str(one.snapshot_id))
        yield landed


def run_document(record: RunRecord, progress: Progress) -> dict[str, Any]:
    """One run as JSON values: its record, nodes, tables and problems."""
    outcome = progress.outcome
    return {
        "run": record.model_dump(mode="json", exclude_none=True),
        "nodes": [
            {"unique_id": node.unique_id, "status": node.status, "seconds": node.seconds, "message": node.message}
            for node in progress.nodes.values()
        ],
        "tables": [table.model_dump(mode="json", exclude_none=True) for table in getattr(outcome, "tables", ())],
        "problems": [problem.model_dump(exclude_none=True) for problem in getattr(outcome, "problems", ())],
        "reason": reason_of(outcome) if outcome else None,
    }


def products_table(products: Iterable[LiveProduct], now: datetime) -> Table:
    """A line for each product in each environment where it is live."""
    table = _table("product", "environment", "artifact", "next tick", "schedule", "starts on")
    for product in products:
        schedule = product.schedule
        tick = next_tick(schedule, now) if schedule else None
        table.add_row(
            product.product,
            product.environment,
            short(product.artifact_digest),
            _moment(tick.isoformat()) if tick else "",
            f"{schedule.cron} {schedule.timezone}{'' if schedule.enabled else ', disabled'}" if schedule else "",
            ", ".join(_starts(product)),
        )
    return table


def product_document(product: LiveProduct, now: datetime) -> dict[str, Any]:
    """A live product as JSON values, with its next tick."""
    tick = next_tick(product.schedule, now) if product.schedule else None
    return product.model_dump(mode="json", exclude_none=True) | {"next_tick": tick.isoformat() if tick else None}


def partitions_table(results: Sequence[Mapping[str, Any]]) -> Table:
    """A line for each partition of a backfill."""
    table = _table("partition", "status", "run")
    for result in results:
        table.add_row(result["partition"], _status(result["status"]), (result.get("run_id") or "")[:SHORT_ID])
    return table


def options_in_words(options: RunOptions) -> Iterator[str]:
    """What was asked for beside everything."""
    if options.partition:
        yield f"partition {options.partition}"
    if options.retry_of:
        yield f"retry of {options.retry_of[:SHORT_ID]}"
    yield from (f"--select {item}" for item in options.select)
    yield from (f"--exclude {item}" for item in options.exclude)
    if options.full_refresh:
        yield "--full-refresh"
    if options.vars:
        yield f"--vars {', '.join(sorted(options.vars))}"
    if options.allow_breaking:
        yield "--allow-breaking"


def _facts(record: RunRecord, progress: Progress) -> Iterator[tuple[str, RenderableType]]:
    yield "run", record.run_id
    yield "product", f"{record.product} in {record.environment}"
    yield "status", _status(record.status.value)
    if progress.outcome and (reason := reason_of(progress.outcome)):
        yield "reason", reason
    yield "artifact", record.artifact_digest
    yield "asked for", f"{_moment(record.requested_at)} by {record.requester or 'nobody'}: {record.reason}"
    yield "trigger", record.trigger
    if words := " ".join(options_in_words(record.options)):
        yield "what", words
    for name, value in (
        ("nominal time", record.nominal_time),
        ("backfill", record.backfill),
        ("caused by", record.caused_by),
        ("chain", " > ".join(record.chain)),
        ("not before", record.not_before),
    ):
        if value:
            yield name, value
    yield "attempts", str(record.attempt)
    if record.started_at:
        yield "started", _moment(record.started_at)
    if record.ended_at:
        yield "ended", f"{_moment(record.ended_at)}, {_seconds(record)} s"


def _starts(product: LiveProduct) -> Iterator[str]:
    for trigger in product.triggers:
        if trigger.type == "compile" and (not trigger.environments or product.environment in trigger.environments):
            yield "compile"
        elif trigger.type == "event":
            yield f"{trigger.event} of {trigger.product}{f' ({trigger.table})' if trigger.table else ''}"


def _table(*columns: str, header: bool = True) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=header)
    for column in columns:
        justify: JustifyMethod = "right" if column in {"seconds", "rows", "snapshot"} else "left"
        table.add_column(column, justify=justify, overflow="fold")
    return table


def _status(status: str) -> Text:
    return Text(status, style=_STYLES.get(status, ""))


def _moment(text: str) -> str:
    """A time in UTC, to the second."""
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _seconds(record: RunRecord) -> str:
    if record.started_at is None or record.ended_at is None:
        return ""
    took = datetime.fromisoformat(record.ended_at) - datetime.fromisoformat(record.started_at)
    return f"{took.total_seconds():.1f}"
