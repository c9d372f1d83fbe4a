"""What the commands of `floe catalog` have in common: one question, and its answer printed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

    from floe_contracts.requests import Answer, AnswerT, Operation, RequestT


def ask_once(
    path: Path, environment: str | None, operation: Operation[RequestT, AnswerT], request: RequestT
) -> AnswerT:
    """Ask the catalog service of a folder's stack one thing about an environment."""
    import asyncio

    from floe_cli.catalog.asking import catalog_of

    async def main() -> AnswerT:
        async with catalog_of(path, environment) as catalog:
            return await catalog.ask(operation, request)

    return asyncio.run(main())


def print_json(answer: Answer) -> None:
    """Print an answer as it stands in its contract."""
    click.echo(answer.model_dump_json())


def print_parts(*parts: RenderableType) -> None:
    """Print what people read, with an empty line between the parts."""
    from floe_cli.run_views import table_console

    console = table_console()
    for number, part in enumerate(parts):
        console.print(*([""] if number else []), part, sep="\n", markup=False)
