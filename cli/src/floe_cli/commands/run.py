"""`floe run`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from floe_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from floe_cli.follow.progress import Progress
    from floe_cli.follow.session import SessionResult


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--environment", "-e", help="One of platform.yaml; dev, or the only one, where left out.")
@click.option("--if-changed", is_flag=True, help="Run only if the artifact differs from that of the last run.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
def run(path: Path, environment: str | None, if_changed: bool, as_json: bool) -> int:
    """Compile, build, land, trace and render the product in PATH, live.

    Needs no configuration: without FLOE_NATS_URL, and without a `floe up` of the folder, it starts the embedded stack
    and leaves everything under PATH/.floe.
    """
    import asyncio

    from floe_cli.environments import choose_environment
    from floe_cli.follow.session import run_product
    from floe_cli.products import read_product
    from floe_cli.stack.any_stack import any_stack

    product = read_product(path)
    chosen = choose_environment(product, environment)

    async def main(changed: Callable[[Progress], None]) -> SessionResult:
        async with any_stack(path) as connection:
            return await run_product(connection, product, chosen, changed, only_if_changed=if_changed)

    with contextlib.ExitStack() as cleanup:
        changed = _view(cleanup, as_json=as_json)
        result = asyncio.run(main(changed))
    return _report(result, product.name, chosen, path, as_json=as_json)


def _view(cleanup: contextlib.ExitStack, *, as_json: bool) -> Callable[[Progress], None]:
    if as_json:
        return lambda _: None
    from rich.console import Console

    from floe_cli.follow.live_view import LiveView
    from floe_cli.follow.plain_view import PlainView

    console = Console()
    return cleanup.enter_context(LiveView(console)) if console.is_terminal else PlainView(click.echo)


def _report(result: SessionResult, product: str, environment: str, path: Path, *, as_json: bool) -> ExitCode:
    import json

    from floe_cli.follow.result import result_document
    from floe_cli.show_problems import code_of_rejection, show_problems

    progress = result.progress
    compiled = progress.compiled
    tenant = compiled.tenant if compiled else progress.rejected.tenant if progress.rejected else ""
    document: dict[str, Any] = result_document(
        progress, tenant=tenant, environment=environment, product=product, total=result.total
    )
    if result.unchanged:
        document["status"] = "unchanged"
    if as_json:
        click.echo(json.dumps(document))
    elif result.unchanged and compiled:
        click.echo(f"nothing to do: artifact {compiled.artifact_digest} was run before")
    elif document["status"] == "completed":
        from rich.console import Console

        from floe_cli.follow.summary import show_summary

        show_summary(Console(), document, path)
    if not as_json:
        for part in (progress.rejected, progress.outcome, progress.rendered):
            show_problems(getattr(part, "problems", ()))
    if progress.rejected is not None:
        return code_of_rejection(progress.rejected.problems)
    return ExitCode.RUN_FAILED if document["status"] == "failed" else ExitCode.OK
