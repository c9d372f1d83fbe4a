"""The commands of `floe lineage` that read the stream as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from floe_cli.exit_codes import ExitCode
from floe_contracts.openlineage.event_types import EVENT_TYPES


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--run", "run_id", required=True, help="The run whose events are wanted.")
def export(path: Path, run_id: str) -> int:
    """Print the events of one run, each as JSON on one line, in the order in which they were published."""
    import asyncio

    from floe_chassis.dead_letters import is_for
    from floe_chassis.stream_reader import read_stream
    from floe_chassis.topology import LINEAGE
    from floe_cli.lineage_lines import json_line
    from floe_cli.stack.connection import reading
    from floe_contracts import subjects
    from floe_contracts.openlineage.envelope import RUN_HEADER

    async def main() -> int:
        found = 0
        async with reading(path) as connection:
            pattern = subjects.lineage_pattern(tenant=connection.settings.tenant)
            async for message in read_stream(connection.bus.js, LINEAGE, pattern):
                headers = message.headers or {}
                if headers.get(RUN_HEADER) == run_id and is_for(headers, ""):  # not what one backend gets again
                    click.echo(json_line(message.data))
                    found += 1
        return found

    if asyncio.run(main()):
        return ExitCode.OK
    from floe_contracts.errors import WrongUsage

    raise WrongUsage(f"there are no lineage events of a run {run_id!r}", hint=f"floe status {path} lists the runs")


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--since", metavar="WHEN", help="Begin with what was stored since then: 90m, 7d, or an ISO time.")
@click.option("--all", "from_start", is_flag=True, help="Begin with the oldest event, not with the next one.")
@click.option("--environment", "--env", "-e", "environments", multiple=True, help="Only events of it; repeatable.")
@click.option("--product", "-p", "products", multiple=True, help="Only events of it; of a producer -NAME; repeatable.")
@click.option("--job", "jobs", multiple=True, help="Only events of the job of this whole name; repeatable.")
@click.option("--dataset", help="Only events that read or write it; a tail of its name is enough.")
@click.option("--run", help="Only events of this run and those that it led to; a beginning of its id is enough.")
@click.option(
    "--type",
    "--status",
    "types",
    type=click.Choice(EVENT_TYPES, case_sensitive=False),
    multiple=True,
    help="Only events of this type; repeatable.",
)
@click.option(
    "--output", "-o", type=click.Choice(["text", "json"]), default="text", help="A line to read, or whole events."
)
@click.option("--json", "as_json", is_flag=True, help="The same as -o json: one JSON object a line.")
def tail(path: Path, since: str | None, from_start: bool, output: str, as_json: bool, **named: Any) -> None:
    """Show events as they come, until Ctrl-C. Needs a running stack.

    A bus that goes away meanwhile is waited for, and nothing is left out.
    """
    import asyncio
    from contextlib import aclosing

    from floe_chassis.stream_follower import Gap
    from floe_cli.lineage_events import EventFilter, begin_at, follow
    from floe_cli.lineage_lines import json_line, short_line
    from floe_cli.stack.connection import connected, needed

    position = begin_at(since, from_start=from_start)
    wanted = EventFilter(**named)
    line = json_line if as_json or output == "json" else short_line

    async def main() -> None:
        async with (
            connected(needed(path)) as connection,
            aclosing(follow(connection.bus, connection.settings.tenant, wanted, position)) as events,
        ):
            async for event in events:
                if isinstance(event, Gap):
                    click.echo(f"the events between number {event.after} and the next one are gone", err=True)
                else:
                    click.echo(line(event.data))

    asyncio.run(main())
