"""`floe trace`."""

from __future__ import annotations

from pathlib import Path

import click

from floe_cli.exit_codes import ExitCode


@click.command()
@click.argument("identity", metavar="ID")
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def trace(identity: str, path: Path, as_json: bool) -> int:
    """Show the chain of ids that ID belongs to, and verify each link of it.

    Commit, source, artifact, run, snapshots, lineage and Cube bundle: every digest is computed again from the stored
    bytes, every id is looked up where the next link must carry it. Nothing needs to be running.

    ID is that of a run, the number of a snapshot, a digest or a commit, or the beginning of one; of several runs the
    newest is shown. A commit's tree is read again where PATH lies in a clone that has it.
    """
    import asyncio
    import json

    from floe_cli.stack.connection import reading
    from floe_cli.tracing.links import Link
    from floe_cli.tracing.links import trace as trace_links

    async def main() -> tuple[str, list[Link]]:
        async with reading(path) as connection:
            return await trace_links(connection, identity, path)

    run_id, found = asyncio.run(main())
    links = [link.to_document() for link in found]
    if as_json:
        click.echo(json.dumps({"run_id": run_id, "links": links}))
    else:
        for link in links:
            mark = click.style("✓", fg="green") if link["verified"] else click.style("✗", fg="red")
            click.echo(f"{mark} {link['name']:12} {link['id']}")
            click.echo(click.style(f"  {'':12} {link['evidence']}", dim=True))
    return ExitCode.OK if all(link["verified"] for link in links) else ExitCode.RUN_FAILED
