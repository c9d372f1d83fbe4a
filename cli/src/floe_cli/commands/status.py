"""`floe status`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from floe_cli.semantic.served_state import Served
    from floe_cli.stack.connection import Connection
    from floe_contracts.events import ArtifactCompiled
    from floe_contracts.runs import RunRecord

_RUNS_SHOWN = 5


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(path: Path, as_json: bool) -> None:
    """Show the live artifact of each product, its newest runs, and whether Cube serves it.

    Reads the stack that FLOE_NATS_URL names, or that of the folder, whether it is running or not.
    """
    import asyncio
    import json

    from floe_cli.run_records import read_runs
    from floe_cli.stack.connection import reading

    async def main() -> tuple[dict[str, ArtifactCompiled], list[RunRecord], Served]:
        async with reading(path) as connection:
            return await _live(connection), await read_runs(connection), await _served(connection)

    live, runs, served = asyncio.run(main())
    if as_json:
        document = {
            "products": {name: compiled.artifact_digest for name, compiled in live.items()},
            "runs": [record.model_dump(mode="json", exclude_none=True) for record in runs],
            "served": [state.to_document() for _, state in sorted(served.items())],
        }
        click.echo(json.dumps(document))
        return
    for name, compiled in live.items():
        click.echo(f"{name}  artifact {compiled.artifact_digest}")
        mine = [record for record in runs if record.product == name]
        for record in mine[:_RUNS_SHOWN]:
            click.echo(
                f"  {record.status:9} {record.environment}  run {record.run_id}  attempt {record.attempt}  "
                f"{record.ended_at or record.requested_at}"
            )
        if not mine:
            click.echo("  no runs yet")
        for (product, environment), state in sorted(served.items()):
            if product == name:
                click.echo(f"  Cube      {environment}  {state.in_words()}")
    if not live:
        click.echo("no product has been compiled yet")


async def _live(connection: Connection) -> dict[str, ArtifactCompiled]:
    """The newest artifact of each product of the tenant."""
    from floe_chassis.stream_reader import read_stream
    from floe_chassis.topology import ARTIFACTS
    from floe_contracts import subjects
    from floe_contracts.cloudevents import decode
    from floe_contracts.events import ArtifactCompiled
    from floe_contracts.subjects import EventKind

    pattern = subjects.pattern(EventKind.ARTIFACT_COMPILED, tenant=connection.settings.tenant)
    live: dict[str, ArtifactCompiled] = {}
    async for message in read_stream(connection.bus.js, ARTIFACTS, pattern):
        event = decode(message.subject, message.headers, message.data).event
        if isinstance(event, ArtifactCompiled):
            live[event.product] = event
    return dict(sorted(live.items()))


async def _served(connection: Connection) -> Served:
    """What Cube serves, by the events of the tenant that speak of it."""
    from floe_chassis.stream_reader import read_stream
    from floe_chassis.topology import EVENTS
    from floe_cli.semantic.served_state import after
    from floe_contracts import subjects
    from floe_contracts.cloudevents import decode
    from floe_contracts.errors import ContractError

    served: Served = {}
    pattern = f"{subjects.ROOT}.semantic.*.{subjects.escape(connection.settings.tenant)}.>"
    async for message in read_stream(connection.bus.js, EVENTS, pattern):
        try:
            served = after(served, decode(message.subject, message.headers, message.data).event)
        except ContractError:
            continue  # a newer floe may publish kinds that this one does not know
    return served
