"""`floe plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from floe_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from floe_cli.follow.progress import Progress


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--against", metavar="DIGEST|latest", help="The artifact to compare with; the last one, if left out.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="markdown: a comment for a pull request.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it there.")
def plan(path: Path, against: str | None, form: str, output: Path | None) -> int:
    """Tell what the product in PATH would build, why, and which consumers it would break. Nothing is announced or run.

    It is the compiler service that compiles and plans, here as in production. Without FLOE_NATS_URL, and without a
    `floe up` of the folder, it alone is started.
    """
    import asyncio

    from floe_cli.follow.session import plan_product
    from floe_cli.output_files import write_output
    from floe_cli.plan_views import VIEWS
    from floe_cli.products import read_product
    from floe_cli.show_problems import show_rejection
    from floe_cli.stack.any_stack import any_stack
    from floe_contracts.digests import is_digest
    from floe_contracts.errors import WrongUsage
    from floe_contracts.events import LATEST

    if against is not None and against != LATEST and not is_digest(against):
        raise WrongUsage(f"{against!r} is no digest", hint=f"sha256: and 64 hex digits, or {LATEST}")
    product = read_product(path)

    async def main() -> Progress:
        async with any_stack(path, services=("compiler",)) as connection:
            return await plan_product(connection, product, against)

    progress = asyncio.run(main())
    if progress.planned is None:
        return show_rejection(progress.rejected)
    text = VIEWS[form](progress.planned.plan)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_output(output, text)
        click.echo(f"wrote {output}")
    return ExitCode.OK
