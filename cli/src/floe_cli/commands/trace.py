"""`floe trace`."""

from __future__ import annotations

from pathlib import Path

import click

from floe_cli.exit_codes import ExitCode


@click.command()
@click.argument("run_id")
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def trace(run_id: str, path: Path, as_json: bool) -> int:
    """Show the chain of ids of a run, and verify each link of it.

    Source, artifact, run, snapshots, lineage and Cube bundle: every digest is computed again from the stored bytes,
    every id is looked up where the next link must carry it. Nothing needs to be running.
    """
    import asyncio
    import json

    from floe_cli.stack.connection import reading
    from floe_cli.tracing import trace_run

    async def main() -> list[dict[str, str | bool]]:
        async with reading(path) as connection:
            return [link.to_document() for link in await trace_run(connection, run_id, path)]

    links = asyncio.run(main())
    if as_json:
        click.echo(json.dumps({"run_id": run_id, "links": links}))
    else:
        for link in links:
            mark = click.style("✓", fg="green") if link["verified"] else click.style("✗", fg="red")
            click.echo(f"{mark} {link['name']:12} {link['id']}")
            click.echo(click.style(f"  {'':12} {link['evidence']}", dim=True))
    return ExitCode.OK if all(link["verified"] for link in links) else ExitCode.RUN_FAILED
