"""`floe run`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from floe_cli.commands.run_options import options_of, run_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from floe_cli.follow.progress import Progress
    from floe_cli.follow.session import SessionResult


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--environment", "-e", help="One of platform.yaml; dev, or the only one, where left out.")
@run_options
@click.option("--partition", metavar="KEY", help="Build this partition.")
@click.option("--retry", is_flag=True, help="Build only what failed or was skipped in the last failed run.")
@click.option("--if-changed", is_flag=True, help="Run only if the artifact differs from that of the last run.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
def run(
    path: Path,
    environment: str | None,
    partition: str | None,
    retry: bool,
    if_changed: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Compile, build, land, trace and render the product in PATH, live.

    Needs no configuration: without FLOE_NATS_URL, and without a `floe up` of the folder, it starts the embedded stack
    and leaves everything under PATH/.floe.

    While a Cube asks for the bundle of the product, it waits up to a minute for what that makes of it. The exit code
    is that of the run: 0 too where the bundle cannot be rendered or Cube refuses it; floe semantic status ends with 3
    then.
    """
    import asyncio

    from floe_cli.environments import choose_environment
    from floe_cli.follow.session import run_product
    from floe_cli.follow.showing import report, view
    from floe_cli.products import read_product
    from floe_cli.run_asking import retry_options
    from floe_cli.run_records import last_failed_run
    from floe_cli.stack.any_stack import any_stack
    from floe_contracts.events import RunOptions

    wanted = options_of(**options, partition=partition)
    if retry and wanted != RunOptions(allow_breaking=wanted.allow_breaking):
        raise click.UsageError(
            "--retry builds what is left of that run, as it was asked for; it takes no options of its own"
        )
    product = read_product(path)
    chosen = choose_environment(product, environment)

    async def main(changed: Callable[[Progress], None]) -> SessionResult:
        async with any_stack(path) as connection:
            again = wanted
            if retry:
                failed = await last_failed_run(connection, product.name, chosen)
                again = retry_options(failed).model_copy(update={"allow_breaking": wanted.allow_breaking})
            return await run_product(connection, product, chosen, changed, options=again, only_if_changed=if_changed)

    with contextlib.ExitStack() as cleanup:
        changed = view(cleanup, as_json=as_json)
        result = asyncio.run(main(changed))
    return report(result, product.name, chosen, path, as_json=as_json)
