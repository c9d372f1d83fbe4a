"""How a run that is followed is shown while it works, and at its end."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from floe_cli.exit_codes import ExitCode
from floe_cli.follow.live_view import LiveView
from floe_cli.follow.plain_view import PlainView
from floe_cli.follow.progress import Progress
from floe_cli.follow.result import result_document
from floe_cli.follow.session import SessionResult
from floe_cli.follow.summary import show_summary
from floe_cli.show_problems import code_of_rejection, show_problems


def view(cleanup: contextlib.ExitStack, *, as_json: bool, first: Progress | None = None) -> Callable[[Progress], None]:
    """What shows every new progress: a picture on a terminal, else lines; with `--json` nothing."""
    if as_json:
        return lambda _: None
    console = Console()
    if console.is_terminal:
        return cleanup.enter_context(LiveView(console, first))
    return PlainView(click.echo, first)


def report(result: SessionResult, product: str, environment: str, path: Path, *, as_json: bool) -> ExitCode:
    """Show how it ended, and tell the exit code: a run that was cancelled or superseded was not completed either."""
    progress = result.progress
    compiled = progress.compiled
    said = compiled or progress.rejected or progress.outcome
    document: dict[str, Any] = result_document(
        progress, tenant=said.tenant if said else "", environment=environment, product=product, total=result.total
    )
    if result.unchanged:
        document["status"] = "unchanged"
    if as_json:
        click.echo(json.dumps(document))
    elif result.unchanged and compiled:
        click.echo(f"nothing to do: artifact {compiled.artifact_digest} was run before")
    elif document["status"] == "completed":
        show_summary(Console(), document, path)
    elif document["reason"]:
        click.echo(f"run {document['run_id']} was {document['status']}; {document['reason']}", err=True)
    if not as_json:
        for part in (progress.rejected, progress.outcome, progress.rendered, progress.cube or progress.synced):
            show_problems(getattr(part, "problems", ()))
    if progress.rejected is not None:
        return code_of_rejection(progress.rejected.problems)
    return ExitCode.OK if document["status"] in {"completed", "unchanged"} else ExitCode.RUN_FAILED
