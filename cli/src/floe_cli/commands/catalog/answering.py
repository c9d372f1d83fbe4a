"""What the commands of `floe catalog` have in common: one question, and what could not be answered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from floe_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from floe_contracts.catalog_requests import Unanswered
    from floe_contracts.requests import AnswerT, Operation, RequestT


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
