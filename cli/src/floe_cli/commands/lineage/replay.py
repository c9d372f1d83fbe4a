"""`floe lineage replay`."""

from __future__ import annotations

from pathlib import Path

import click

from floe_cli.commands.lineage.asking import ask_once
from floe_cli.commands.printing import print_json


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--backend", required=True, help="The backend, as floe lineage backends names it.")
@click.option("--since", required=True, metavar="WHEN", help="What was stored since then: 90m, 7d, or an ISO time.")
@click.option("--dry-run", is_flag=True, help="Only say how many events that are.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
def replay(path: Path, backend: str, since: str, dry_run: bool, as_json: bool) -> None:
    """Have a backend get again what it has had: one that lost its data, or was set up anew.

    The events come in their order, before anything newer; no other backend sees them. What the backend still waits for
    is never left out.
    """
    from datetime import UTC, datetime

    from floe_cli.lineage_backend_views import replay_in_words
    from floe_contracts.errors import WrongUsage
    from floe_contracts.lineage_requests import ANYWHERE, REPLAY_LINEAGE, ReplayLineage
    from floe_contracts.moments import read_moment

    try:
        moment = read_moment(since, datetime.now(UTC))
    except ValueError as error:
        raise WrongUsage(str(error), hint="as in --since 7d") from error
    request = ReplayLineage(backend=backend, since=moment.isoformat(), dry_run=dry_run)
    answer = ask_once(path, REPLAY_LINEAGE, request, ANYWHERE)
    if as_json:
        print_json(answer)
    else:
        click.echo(replay_in_words(answer, dry_run=dry_run))
