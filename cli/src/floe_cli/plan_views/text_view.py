"""The plan for people at a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from floe_cli.plan_views import words
from floe_contracts.plans import EnvironmentPlan, Plan

_STYLES = {"breaking": "bold red", "warning": "yellow", "info": "dim", "added": "green", "removed": "red"}


def as_text(plan: Plan, *, width: int = 120, color: bool = False) -> str:
    """The plan as tables, at most `width` columns wide."""
    console = Console(file=io.StringIO(), width=width, force_terminal=color, color_system="standard" if color else None)
    console.print(Text(f"plan of {words.printable(plan.product)}: {words.title(plan)}", style="bold"))
    if plan.is_empty:
        console.print(words.NOTHING_CHANGES)
        return _written(console)
    for names, environment in words.alike(plan):
        _environment(console, names, environment)
    _impacts(console, plan)
    _fields(console, plan)
    return _written(console)


def _written(console: Console) -> str:
    file = console.file
    text: str = file.getvalue() if isinstance(file, io.StringIO) else ""
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _environment(console: Console, names: str, environment: EnvironmentPlan) -> None:
    console.print()
    console.print(Text.assemble((words.printable(names), "bold"), f"  {words.counted(environment)}"))
    rows = [
        (Text(words.what(node), style=_STYLES.get(node.action, "")), _text(node.unique_id), _text(words.why(node)))
        for node in environment.nodes
    ]
    _table(console, ("change", "node", "why"), rows)
    for test in environment.tests:
        console.print(Text(f"  test  {words.printable(test)}"))


def _impacts(console: Console, plan: Plan) -> None:
    if not plan.impacts:
        return
    console.print()
    console.print(Text.assemble(("consumers", "bold"), f"  {words.verdict(plan)}"))
    rows = [
        (
            Text(impact.severity, style=_STYLES[impact.severity]),
            Text(impact.kind),
            _text(impact.subject),
            _text(impact.message),
            _text(", ".join(impact.environments)),
        )
        for impact in plan.impacts
    ]
    _table(console, ("", "kind", "what", "what becomes of it", "where"), rows)


def _fields(console: Console, plan: Plan) -> None:
    rows = [
        (_text(place), _text(change.path), _text(words.value(change.before)), _text(words.value(change.after)))
        for place, change in words.fields(plan)
    ]
    if rows:
        console.print()
        console.print(Text("fields", style="bold"))
        _table(console, ("where", "field", "before", "after"), rows)


def _table(console: Console, heads: Sequence[str], rows: Iterable[Sequence[Text]]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*row)
    if table.row_count:
        console.print(table)


def _text(value: str) -> Text:
    """Never markup: a name may hold brackets."""
    return Text(words.printable(value))
