"""`floe runs`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from floe_cli.commands.run_options import options_of, run_options
from floe_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from floe_cli.follow.backfill import BackfillProgress
    from floe_cli.run_asking import Asking
    from floe_cli.stack.connection import Connection

_STATUSES = ("queued", "started", "completed", "failed", "cancelled", "superseded")
FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

_path = click.argument("path", type=click.Path(path_type=Path), default=".")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
_follow = click.option("--follow", "-f", is_flag=True, help="Wait until it has ended, and show what happens.")
_reason = click.option("--reason", help="Why, for whoever reads the events.")


@click.group()
def runs() -> None:
    """Look at runs, ask for them, and end them.

    The stack is the one that FLOE_NATS_URL names, or that of the folder PATH. A run is named by its id, or by as much
    of its beginning as no other run has.
    """


@runs.command("list")
@_path
@click.option("--product", "-p", help="Only of this product.")
@click.option("--environment", "-e", help="Only in this environment.")
@click.option("--status", type=click.Choice(_STATUSES), multiple=True, help="Only with this status; repeatable.")
@click.option("--limit", "-n", type=click.IntRange(min=1), default=20, show_default=True, help="The newest ones.")
@_as_json
def list_(
    path: Path, product: str | None, environment: str | None, status: tuple[str, ...], limit: int, as_json: bool
) -> None:
    """List runs, the newest first. Nothing needs to be running."""
    import asyncio
    import json

    from floe_cli.run_records import RunFilter, read_runs
    from floe_cli.run_views import runs_table, table_console
    from floe_cli.stack.connection import reading
    from floe_contracts.runs import RunRecord, RunStatus

    async def main() -> list[RunRecord]:
        async with reading(path) as connection:
            wanted = RunFilter(product, environment, frozenset(RunStatus(name) for name in status))
            return (await read_runs(connection, wanted))[:limit]

    records = asyncio.run(main())
    if as_json:
        click.echo(json.dumps({"runs": [record.model_dump(mode="json", exclude_none=True) for record in records]}))
    elif records:
        table_console().print(runs_table(records))
    else:
        click.echo("no runs")


@runs.command()
@click.argument("run")
@_path
@_as_json
def show(run: str, path: Path, as_json: bool) -> None:
    """Show one run: its state, options, nodes, tables and problems. Nothing needs to be running."""
    import asyncio
    import json

    from floe_cli.follow.progress import Progress
    from floe_cli.run_details import read_progress
    from floe_cli.run_records import find_run
    from floe_cli.run_views import run_document, run_lines, table_console
    from floe_cli.show_problems import show_problems
    from floe_cli.stack.connection import reading
    from floe_contracts.runs import RunRecord

    async def main() -> tuple[RunRecord, Progress]:
        async with reading(path) as connection:
            record = await find_run(connection, run)
            return record, await read_progress(connection, record)

    record, progress = asyncio.run(main())
    if as_json:
        click.echo(json.dumps(run_document(record, progress)))
        return
    console = table_console()
    for number, part in enumerate(run_lines(record, progress)):
        console.print(*([""] if number else []), part, sep="\n")
    show_problems(getattr(progress.outcome, "problems", ()))


@runs.command()
@click.argument("run")
@_path
@_reason
def cancel(run: str, path: Path, reason: str | None) -> None:
    """End a run, or all runs of a backfill. One that has ended stays as it is."""
    import asyncio

    from floe_cli.run_asking import ask_to_cancel
    from floe_cli.run_records import find_run_or_backfill
    from floe_cli.stack.connection import connected, needed

    async def main() -> str:
        async with connected(needed(path)) as connection:
            place, run_id, record = await find_run_or_backfill(connection, run)
            if record is not None and record.status.terminal:
                return f"run {run_id} has ended already: {record.status}"
            await ask_to_cancel(connection, place, run_id, "floe runs cancel", reason)
            return f"asked for the end of {'run' if record else 'backfill'} {run_id}"

    click.echo(asyncio.run(main()))


@runs.command()
@click.argument("run")
@_path
@click.option("--latest", is_flag=True, help="With the artifact that is live now, in place of the run's own.")
@_reason
@_follow
@_as_json
def retry(run: str, path: Path, latest: bool, reason: str | None, follow: bool, as_json: bool) -> int:
    """Build what failed or was skipped in a failed run, as a new run."""
    from floe_cli.run_asking import retry_of
    from floe_cli.run_records import find_run

    async def asking(connection: Connection) -> Asking:
        record = await find_run(connection, run)
        return retry_of(record, "floe runs retry", latest=latest, reason=reason)

    return _ask(path, asking, follow=follow, as_json=as_json)


@runs.command()
@click.argument("product")
@_path
@click.option("--environment", "-e", help="Where; dev, or the only one where it is live, where left out.")
@run_options
@click.option("--partition", metavar="KEY", help="Build this partition.")
@click.option("--id", "request_id", help="An id of your own: asking again by it is the same run.")
@_reason
@_follow
@_as_json
def request(
    product: str,
    path: Path,
    environment: str | None,
    partition: str | None,
    request_id: str | None,
    reason: str | None,
    follow: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Ask for a run of PRODUCT as it is live, without its folder."""
    from floe_cli.run_asking import Wanted, run_of_live
    from floe_cli.run_records import find_live

    wanted = Wanted(options_of(**options, partition=partition), reason, request_id)

    async def asking(connection: Connection) -> Asking:
        return run_of_live(await find_live(connection, product, environment), wanted, "floe runs request")

    return _ask(path, asking, follow=follow, as_json=as_json)


@runs.command()
@click.argument("product")
@_path
@click.option("--environment", "-e", help="Where; dev, or the only one where it is live, where left out.")
@click.option("--from", "first", metavar="KEY", help="The first partition of a range.")
@click.option("--to", "last", metavar="KEY", help="The last partition of a range.")
@click.option("--keys", metavar="KEY,...", multiple=True, help="These partitions; repeatable.")
@run_options
@click.option("--id", "request_id", help="An id of your own: asking again by it is the same backfill.")
@_reason
@_follow
@_as_json
def backfill(
    product: str,
    path: Path,
    environment: str | None,
    first: str | None,
    last: str | None,
    keys: tuple[str, ...],
    request_id: str | None,
    reason: str | None,
    follow: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Ask for a run of each of several partitions of PRODUCT: a range of them, or those that are named."""
    from floe_cli.run_asking import Wanted, run_of_live
    from floe_cli.run_records import find_live
    from floe_contracts.events import PartitionChoice

    named = tuple(key.strip() for item in keys for key in item.split(",") if key.strip())
    if bool(named) == bool(first or last):
        raise click.UsageError("name the partitions: a range by --from and --to, or --keys")
    if not named and not (first and last):
        raise click.UsageError("a range needs both --from and --to")
    choice = PartitionChoice(first=first, last=last, keys=named)
    wanted = Wanted(options_of(**options), reason, request_id, choice)

    async def asking(connection: Connection) -> Asking:
        return run_of_live(await find_live(connection, product, environment), wanted, "floe runs backfill")

    return _ask(path, asking, follow=follow, as_json=as_json)


def _ask(path: Path, prepare: Callable[[Connection], Any], *, follow: bool, as_json: bool) -> int:
    """Have a request stored on the bus of a running stack; with `follow`, wait for what it leads to."""
    import asyncio
    import json

    from floe_cli.stack.connection import connected, needed

    async def main() -> int:
        async with connected(needed(path)) as connection:
            asking: Asking = await prepare(connection)
            if follow and asking.request.partitions is not None:
                return await _follow_backfill(connection, asking, as_json=as_json)
            if follow:
                return await _follow_run(connection, asking, path, as_json=as_json)
            await asking.publish(connection)
            kind = "backfill" if asking.request.partitions is not None else "run"
            if as_json:
                click.echo(json.dumps({"request": asking.cause, f"{kind}_id": asking.run_id}))
            else:
                click.echo(f"asked for {kind} {asking.run_id} of {asking.request.product}")
            return ExitCode.OK

    return asyncio.run(main())


async def _follow_run(connection: Connection, asking: Asking, path: Path, *, as_json: bool) -> int:
    import contextlib

    from floe_cli.follow.progress import Progress
    from floe_cli.follow.session import follow_run
    from floe_cli.follow.showing import report, view

    with contextlib.ExitStack() as cleanup:
        result = await follow_run(connection, asking, view(cleanup, as_json=as_json, first=Progress.of_run()))
    place = asking.place
    return report(result, place.product, place.environment, path, as_json=as_json)


async def _follow_backfill(connection: Connection, asking: Asking, *, as_json: bool) -> int:
    import json

    from floe_cli.follow.backfill import BackfillProgress, follow_backfill, result_document
    from floe_cli.run_views import partitions_table, table_console
    from floe_cli.show_problems import show_problems

    before = BackfillProgress()

    def changed(progress: BackfillProgress) -> None:
        nonlocal before
        for key, status in progress.partitions.items():
            if before.partitions.get(key) != status and not as_json:
                click.echo(f"  {status:10} {key}")
        before = progress

    ended = await follow_backfill(connection, asking, changed)
    document = result_document(ended, asking)
    if as_json:
        click.echo(json.dumps(document))
    else:
        if document["results"]:
            table_console().print("", partitions_table(document["results"]), sep="\n")
        show_problems(getattr(ended.outcome, "problems", ()))
    return ExitCode.OK if document["status"] == "completed" else ExitCode.RUN_FAILED
