"""The commands of `floe semantic` that look at what is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from floe_cli.commands.printing import print_parts
from floe_cli.commands.semantic import options
from floe_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from floe_contracts.semantic_requests import ServedProduct


@click.command()
@options.path
@click.option("--product", "-p", help="Only this product.")
@click.option("--environment", "--env", "-e", help="Only there; left out, wherever something is live.")
@options.as_json
def status(path: Path, product: str | None, environment: str | None, as_json: bool) -> int:
    """Show what Cube is to serve and what it serves, of each product in each environment.

    The exit code is 3 where what is wanted cannot be served.
    """
    import asyncio
    from datetime import UTC, datetime

    from floe_cli.semantic.asking import served_everywhere
    from floe_cli.semantic.views import status_parts
    from floe_cli.show_problems import show_problems

    served = asyncio.run(served_everywhere(path, environment, product))
    if as_json:
        _print_status(served)
    else:
        print_parts(*status_parts(served, datetime.now(UTC)) if served else ("nothing was rendered for Cube yet",))
        for place, one in served:
            whose = f"{one.product} in {place}"
            show_problems(
                problem.model_copy(update={"message": f"{whose}: {problem.message}"}) for problem in one.problems
            )
    return ExitCode.RUN_FAILED if any(one.status == "failed" for _, one in served) else ExitCode.OK


def _print_status(served: list[tuple[str, ServedProduct]]) -> None:
    import json

    products = [{"environment": environment} | one.model_dump(mode="json") for environment, one in served]
    click.echo(json.dumps({"products": products}))


@click.command()
@options.path
@click.option("--from", "before", metavar="BUNDLE", default="served", show_default=True, help="The first bundle.")
@click.option(
    "--to",
    "after",
    metavar="BUNDLE",
    default="wanted",
    show_default=True,
    help="The second; folder is what the files in PATH would be rendered to.",
)
@options.product
@options.environment
def diff(path: Path, before: str, after: str, product: str | None, environment: str | None) -> None:
    """Show how the files of two bundles differ: what is wanted from what is served, where left out."""
    import asyncio

    from floe_cli.products import read_product
    from floe_cli.semantic.asking import FOLDER, Semantic, bundle_named, semantic_of, shown_name
    from floe_cli.semantic.bundle_diff import unified
    from floe_cli.semantic.drafts import draft, drafting

    here = read_product(path) if FOLDER in (before, after) else None
    wanted = product or (here.name if here else None)

    async def texts(semantic: Semantic, name: str) -> tuple[str, dict[str, str]]:
        if name == FOLDER and here is not None:
            rendered, files = await draft(semantic, here)
            return shown_name(name, rendered.bundle_digest), files
        served = await semantic.product(wanted)
        digest, files = await semantic.bundle_texts(bundle_named(name, served), served.product)
        return shown_name(name, digest), files

    async def main() -> list[str]:
        async with drafting(here, environment) if here else semantic_of(path, environment) as semantic:
            old, new = await texts(semantic, before), await texts(semantic, after)
        return list(unified(old[1], new[1], (old[0], new[0])))

    lines = asyncio.run(main())
    click.echo("\n".join(lines) if lines else f"no difference: {before} and {after} are the same files")
