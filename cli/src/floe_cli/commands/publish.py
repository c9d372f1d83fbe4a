"""`floe publish`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--submission", help="An id of your own: publishing it again changes nothing.")
def publish(path: Path, submission: str | None) -> None:
    """Publish the spec of the product in PATH to a running stack, and go.

    The stack is the one that FLOE_NATS_URL and FLOE_BLOBS_URL name, or the `floe up` of the folder.
    """
    import asyncio
    import uuid

    from floe_cli.products import read_product
    from floe_cli.publishing import publish_spec
    from floe_cli.stack.connection import configured, connected, running
    from floe_contracts.errors import Unreachable

    product = read_product(path)

    async def main() -> None:
        settings = configured() or running(path)
        if settings is None:
            raise Unreachable("no stack is running for this folder", hint=f"floe up {path}, or set FLOE_NATS_URL")
        async with connected(settings) as connection:
            submitted = await publish_spec(connection, product, submission or str(uuid.uuid4()))
        click.echo(f"published {submitted.product}, submission {submitted.submission}, bundle {submitted.bundle}")

    asyncio.run(main())
