"""`floe lineage`."""

from __future__ import annotations

import click

from floe_cli.commands.lineage.backends import backends
from floe_cli.commands.lineage.graph import column, graph, impact
from floe_cli.commands.lineage.reading import export, tail
from floe_cli.commands.lineage.replay import replay


@click.group()
def lineage() -> None:
    """What is made of what: the events as they were published, what is known from them, and where they go."""


for _command in (graph, column, impact, tail, export, backends, replay):
    lineage.add_command(_command)
