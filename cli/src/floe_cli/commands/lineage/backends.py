"""`floe lineage backends`."""

from __future__ import annotations

from pathlib import Path

import click

from floe_cli.commands.lineage.asking import ask_once
from floe_cli.commands.printing import print_json, print_parts


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
def backends(path: Path, as_json: bool) -> None:
    """Show where lineage is forwarded to, and how far each backend is behind.

    While the breaker is open the backend is away: nothing is fetched for it, and one event at a time asks whether it
    is back. Counts are those since the lineage service started.
    """
    from datetime import UTC, datetime

    from floe_cli.lineage_backend_views import backends_table
    from floe_contracts.lineage_requests import ANYWHERE, LIST_BACKENDS, ListBackends

    answer = ask_once(path, LIST_BACKENDS, ListBackends(), ANYWHERE)
    if as_json:
        print_json(answer)
    else:
        print_parts(backends_table(answer.backends, datetime.now(UTC)) if answer.backends else "no backends")
