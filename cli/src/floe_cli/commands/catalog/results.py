"""How the commands of `floe catalog` that change tables say what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from floe_cli.commands.catalog.answering import show_unanswered
from floe_cli.commands.printing import print_json, print_parts
from floe_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from floe_contracts.catalog_requests import MaintenanceResults


def report(answer: MaintenanceResults, *, as_json: bool) -> ExitCode:
    """Show what came of it for each table, and tell the exit code: whether all was done that is to be done."""
    if as_json:
        print_json(answer)
    else:
        from floe_cli.catalog.views import results_view

        print_parts(results_view(answer.results) if answer.results else "no tables")
    outcomes = {result.outcome for result in answer.results}
    unanswered = show_unanswered(answer.unanswered)
    if "failed" in outcomes:
        return ExitCode.RUN_FAILED
    return ExitCode.UNSUPPORTED if unanswered is ExitCode.OK and "unsupported" in outcomes else unanswered
