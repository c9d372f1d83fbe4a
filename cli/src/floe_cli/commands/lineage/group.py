"""`floe lineage`."""

from __future__ import annotations

import click

from floe_cli.commands.lineage.reading import export, tail


@click.group()
def lineage() -> None:
    """Read the lineage stream: OpenLineage events, as they were published, and where they are forwarded to."""


for _command in (tail, export):
    lineage.add_command(_command)
