"""What the commands of `floe catalog` have in common: one question, and its answer printed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from floe_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from rich.console import RenderableType

    from floe_contracts.catalog_requests import Unanswered
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


def show_unanswered(unanswered: Sequence[Unanswered]) -> ExitCode:
    """Say which products could not be asked and why, and tell the exit code: an answer with gaps is no whole one."""
    from floe_cli.show_problems import show_problems

    problems = [
        each.problem.model_copy(update={"message": f"{each.product} could not be asked: {each.problem.message}"})
        for each in unanswered
    ]
    show_problems(problems)
    if not problems:
        return ExitCode.OK
    return ExitCode.UNREACHABLE if any(problem.transient for problem in problems) else ExitCode.RUN_FAILED
