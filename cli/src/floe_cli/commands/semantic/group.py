"""`floe semantic`."""

from __future__ import annotations

import click

from floe_cli.commands.semantic.looking import diff, status
from floe_cli.commands.semantic.offering import rollback, sync
from floe_cli.commands.semantic.rendering import render
from floe_cli.commands.semantic.token import token


@click.group()
def semantic() -> None:
    """What Cube is to serve, whether it does, and former bundles.

    The stack is the one that FLOE_NATS_URL names, or that of the folder PATH, which need not be running to be looked
    at. A bundle is named by its digest, by the start of one, or as served, wanted, offered or previous.
    """


for _command in (status, render, diff, rollback, sync, token):
    semantic.add_command(_command)
