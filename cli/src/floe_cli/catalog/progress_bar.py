"""How far long work has come, on a terminal; elsewhere nothing is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from floe_chassis.requests import Progress


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None]]:
    """Shows each progress that it is given, on standard error; the bar goes away at the end."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        bar = bars.add_task("", total=None, visible=False)

        def show(progress: Progress) -> None:
            description = progress.what or "working"
            bars.update(bar, completed=progress.done, total=progress.total, description=description, visible=True)

        yield show
