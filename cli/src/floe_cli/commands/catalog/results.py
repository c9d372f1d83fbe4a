"""How the commands of `floe catalog` that change tables say what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from floe_cli.commands.catalog.answering import print_json, print_parts, show_unanswered
from floe_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from floe_contracts.catalog_requests import MaintenanceResults


def report(answer: MaintenanceResults, *, as_json: bool) -> ExitCode:
    """Show what came of it for each table, and tell the exit code: what failed or was not asked was not done."""
    if as_json:
        print_json(answer)
    else:
        from floe_cli.catalog.views import results_view

        print_parts(results_view(answer.results) if answer.results else "no tables")
    failed = any(result.outcome == "failed" for result in answer.results)
    unanswered = show_unanswered(answer.unanswered)
    return ExitCode.RUN_FAILED if failed else unanswered
