"""The commands of `floe lineage` that read the stream as it is."""

from __future__ import annotations

from pathlib import Path

import click

from floe_cli.exit_codes import ExitCode


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--run", "run_id", required=True, help="The run whose events are wanted.")
def export(path: Path, run_id: str) -> int:
    """Print the events of one run, one JSON object a line, in the order in which they were published."""
    import asyncio

    from floe_chassis.stream_reader import read_stream
    from floe_chassis.topology import LINEAGE
    from floe_cli.stack.connection import reading
    from floe_contracts import subjects
    from floe_contracts.openlineage.envelope import RUN_HEADER

    async def main() -> int:
        found = 0
        async with reading(path) as connection:
            pattern = subjects.lineage_pattern(tenant=connection.settings.tenant)
            async for message in read_stream(connection.bus.js, LINEAGE, pattern):
                if (message.headers or {}).get(RUN_HEADER) == run_id:
                    click.echo(message.data.decode())
                    found += 1
        return found

    if asyncio.run(main()):
        return ExitCode.OK
    from floe_contracts.errors import WrongUsage

    raise WrongUsage(f"there are no lineage events of a run {run_id!r}", hint=f"floe status {path} lists the runs")


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--all", "from_start", is_flag=True, help="Begin with the oldest event, not with the next one.")
@click.option("--json", "as_json", is_flag=True, help="Print whole events, one JSON object a line.")
def tail(path: Path, from_start: bool, as_json: bool) -> None:
    """Show events as they come, until Ctrl-C. Needs a running stack."""
    import asyncio

    from nats.js.api import DeliverPolicy

    from floe_chassis.topology import LINEAGE
    from floe_cli.lineage_lines import json_line, short_line
    from floe_cli.stack.connection import configured, connected, running
    from floe_contracts import subjects
    from floe_contracts.errors import Unreachable

    async def main() -> None:
        settings = configured() or running(path)
        if settings is None:
            raise Unreachable("no stack is running for this folder", hint=f"floe up {path}, or set FLOE_NATS_URL")
        async with connected(settings) as connection:
            subscription = await connection.bus.js.subscribe(
                subjects.lineage_pattern(tenant=settings.tenant),
                stream=LINEAGE,
                ordered_consumer=True,
                deliver_policy=DeliverPolicy.ALL if from_start else DeliverPolicy.NEW,
            )
            async for message in subscription.messages:
                click.echo(json_line(message.data) if as_json else short_line(message.data))

    asyncio.run(main())
