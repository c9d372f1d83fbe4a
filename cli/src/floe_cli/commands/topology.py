"""`floe topology`."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def topology() -> None:
    """Streams, consumers and buckets of the bus that FLOE_NATS_URL names."""


@topology.command()
@click.option("--dry-run", is_flag=True, help="Show what differs, and change nothing.")
@click.option("--lineage-backend", "backends", multiple=True, default=("file",), show_default=True, help="Repeatable.")
@click.option("--subscriber", "named", multiple=True, help="name=tenant[/environment[/product]]; repeatable.")
@click.option(
    "--platform",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A platform.yaml; its lineage backends are added.",
)
def apply(dry_run: bool, backends: tuple[str, ...], named: tuple[str, ...], platform: Path | None) -> None:
    """Bring the bus to what floe declares. Applying it twice changes nothing."""
    import asyncio
    import os

    from floe_chassis.settings import ChassisSettings, load_settings
    from floe_chassis.topology import declared
    from floe_chassis.topology_apply import apply as apply_topology
    from floe_cli.lineage_backends import platform_backends
    from floe_cli.stack.connection import connected
    from floe_contracts.subscribers import read_subscribers

    subscribers = read_subscribers(named)
    if platform is not None:
        backends = (*backends, *platform_backends(platform))

    async def main() -> None:
        settings = load_settings(ChassisSettings, os.environ)
        async with connected(settings) as connection:
            changes = await apply_topology(connection.bus, declared(settings, backends, subscribers), dry_run=dry_run)
        for change in changes:
            click.echo(f"{change.action:9} {change.kind:8} {change.name}")
            for field, (have, want) in change.fields.items():
                click.echo(f"            {field}: {have} -> {want}")

    asyncio.run(main())
