"""`floe serve`."""

from __future__ import annotations

import click


@click.command()
@click.argument("service")
def serve(service: str) -> None:
    """Run SERVICE by itself, with its settings from the environment, until it is told to stop."""
    import asyncio
    import importlib.util
    import os

    from floe_chassis.serving import serve as serve_service
    from floe_cli.stack.services import load_service

    create = load_service(service)
    run = asyncio.run
    if importlib.util.find_spec("uvloop"):  # services that forward many messages bring it
        import uvloop

        run = uvloop.run

    async def main() -> None:
        await serve_service(create(os.environ))

    run(main())
