"""`floe publish`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--submission", help="An id of your own: publishing it again changes nothing.")
@click.option("--repository", metavar="URL", help="Have the compiler fetch this Git repository, in place of PATH.")
@click.option("--ref", metavar="REF", help="With --repository: a branch, or the full name of a ref.")
@click.option("--commit", metavar="SHA", help="With --repository: the commit that the ref points to, for the record.")
def publish(path: Path, submission: str | None, repository: str | None, ref: str | None, commit: str | None) -> None:
    """Publish the spec of the product in PATH to a running stack, and go.

    The stack is the one that FLOE_NATS_URL and FLOE_BLOBS_URL name, or the `floe up` of the folder. With --repository,
    every product of the ref that changed since it was last compiled is compiled, and those that are gone are retired.
    """
    import asyncio
    import uuid

    name = submission or str(uuid.uuid4())
    if repository is None:
        if ref or commit:
            raise click.UsageError("--ref and --commit need --repository")
        asyncio.run(_publish_product(path, name))
    elif ref is None:
        raise click.UsageError("--repository needs --ref")
    else:
        asyncio.run(_publish_push(path, repository, ref, commit, name))


async def _publish_product(path: Path, submission: str) -> None:
    from floe_cli.products import read_product
    from floe_cli.publishing import publish_spec
    from floe_cli.stack.connection import connected, needed

    product = read_product(path)
    async with connected(needed(path)) as connection:
        submitted = await publish_spec(connection, product, submission)
    click.echo(f"published {submitted.product}, submission {submitted.submission}, bundle {submitted.bundle}")


async def _publish_push(path: Path, repository: str, ref: str, commit: str | None, delivery: str) -> None:
    from floe_cli.pushing import publish_push, read_push
    from floe_cli.stack.connection import connected, needed

    push = read_push(repository, ref, commit)
    async with connected(needed(path)) as connection:
        pushed = await publish_push(connection, push, delivery)
    click.echo(f"published {pushed.ref} of {pushed.repository}, delivery {pushed.delivery}")
