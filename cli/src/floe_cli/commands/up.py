"""`floe up`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from floe_cli.stack.local_cube import LocalCube


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--http-port", default=8080, show_default=True, help="Port of the gateway; 0 takes a free one.")
@click.option(
    "--semantic-port",
    type=click.IntRange(0, 65535),
    help="Port where Cube asks for its bundle; 0 takes a free one. Left out, the one after the gateway's.",
)
@click.option(
    "--cube",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="FOLDER",
    help="Run the Cube of that folder beside it: deploy/cube, after npm ci. Needs Node.js 22.",
)
@click.option("--cube-port", type=click.IntRange(0, 65535), default=4000, show_default=True, help="Port of that Cube.")
@click.option("-e", "--environment", help="Whose bundle that Cube serves; dev, or the only one, where left out.")
@click.option("--ui", is_flag=True, help="Show Dagster's UI too: assets, checks and runs. Needs floe-cli[ui].")
def up(
    path: Path,
    http_port: int,
    semantic_port: int | None,
    cube: Path | None,
    cube_port: int,
    environment: str | None,
    ui: bool,
) -> None:
    """Keep the embedded stack of the product in PATH running, until Ctrl-C.

    `floe run PATH` and `floe publish PATH` find it and use it. A Cube that asks it for its bundle is told of as it
    comes, goes, and serves another one.
    """
    import asyncio
    import signal
    from contextlib import AsyncExitStack

    from floe_cli.semantic.cube_news import telling_cubes
    from floe_cli.stack.dagster_ui import check_installed, dagster_ui
    from floe_cli.stack.embedded import embedded_stack
    from floe_cli.stack.folders import stack_folder
    from floe_cli.stack.local_cube import local_cube

    ports = {
        "gateway": http_port,
        "semantic": semantic_port if semantic_port is not None else http_port and http_port + 1,
    }
    if ui:
        check_installed()
    beside = _cube_beside(path, cube, environment, cube_port) if cube is not None else None
    settings = beside.gate if beside is not None else {}

    async def main() -> None:
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        folder = stack_folder(path)
        async with AsyncExitStack() as cleanup:
            stack = await cleanup.enter_async_context(embedded_stack(folder, http_ports=ports, settings=settings))
            click.echo(f"bus      {stack.nats_url}")
            await stack.until_all()
            click.echo(f"services {', '.join(stack.services)}")
            for name in ports:
                if name in stack.services and (address := stack.services[name].http_address):
                    click.echo(f"{name:8} {address}")
            if ui:
                click.echo(f"dagster  {await cleanup.enter_async_context(dagster_ui(folder))}")
            if beside is not None:
                asked = stack.services["semantic"].http_address or ""
                cube_beside = local_cube(beside, folder, asked, click.echo)
                click.echo(f"cube     {await cleanup.enter_async_context(cube_beside)}")
            click.echo(f"log      {folder.log}")
            click.echo("ready; Ctrl-C stops it")
            await cleanup.enter_async_context(telling_cubes(folder, stack.nats_url, click.echo))
            await stopped.wait()
            click.echo("stopping")

    asyncio.run(main())


def _cube_beside(path: Path, home: Path, environment: str | None, port: int) -> LocalCube:
    """The Cube to run, found before anything is started."""
    import os

    from floe_chassis.settings import ChassisSettings, load_settings
    from floe_cli.environments import choose_environment
    from floe_cli.products import read_product
    from floe_cli.stack.local_cube import find_cube
    from floe_contracts.openlineage.naming import Place

    product = read_product(path)
    tenant = load_settings(ChassisSettings, os.environ).tenant
    return find_cube(home, Place(tenant, choose_environment(product, environment), product.name), port)
