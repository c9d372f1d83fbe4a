"""`floe catalog rollback`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from floe_cli.commands.catalog import options
from floe_cli.commands.catalog.answering import ask_once
from floe_cli.commands.catalog.results import report


@click.command()
@options.path
@click.option("--table", "-t", help="Only this table; with --run all that the run left, where left out.")
@click.option("--to", metavar="AT", help="The snapshot: its id, a tag, an ISO time, or run:ID.")
@click.option("--run", "run_id", metavar="RUN", help="What this run left.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before.")
@options.dry_run
@options.product
@options.environment
@options.as_json
def rollback(
    path: Path,
    table: str | None,
    to: str | None,
    run_id: str | None,
    yes: bool,
    dry_run: bool,
    product: str | None,
    environment: str | None,
    as_json: bool,
) -> int:
    """Make a former snapshot the current one: of a table, or of every table that a run left.

    No row is deleted: the snapshots in between stay until they expire, and can be rolled forward to.
    """
    from floe_contracts.catalog_requests import ROLL_BACK, RUN, RollBack

    if (to is None) == (run_id is None):
        raise click.UsageError("name what to go back to: either --to or --run")
    if table is None and run_id is None:
        raise click.UsageError("name a table: --to goes back to a snapshot, and every table has snapshots of its own")
    request = RollBack(table=table, product=product, to=to or f"{RUN}{run_id}", dry_run=True)
    if dry_run:
        return report(ask_once(path, environment, ROLL_BACK, request), as_json=as_json)
    if not yes:
        if as_json or not sys.stdin.isatty():
            raise click.UsageError("nobody is there to be asked whether to go on: give --yes, or --dry-run to look")
        would = ask_once(path, environment, ROLL_BACK, request)
        code = report(would, as_json=False)
        if not any(result.outcome == "done" for result in would.results):
            return code
        click.confirm("roll back?", abort=True)
    answer = ask_once(path, environment, ROLL_BACK, request.model_copy(update={"dry_run": False}))
    return report(answer, as_json=as_json)
