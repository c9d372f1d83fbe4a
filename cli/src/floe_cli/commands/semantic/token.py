"""`floe semantic token`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from floe_cli.commands.semantic import options

_SECONDS: Final = 60


@click.command()
@options.path
@click.option("--claim", "claims", multiple=True, metavar="NAME=VALUE", help="A claim, as the row owner's; repeatable.")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="A role of the caller; repeatable.")
@click.option(
    "--roles-claim", default="roles", show_default=True, help="The claim that holds them, as Cube's FLOE_ROLES_CLAIM."
)
@click.option(
    "--minutes", type=click.IntRange(1), default=60, show_default=True, help="After so long it is worth nothing."
)
def token(path: Path, claims: tuple[str, ...], roles: tuple[str, ...], roles_claim: str, minutes: int) -> None:
    """Print a token for asking the Cube of `floe up PATH --cube`, to try out who sees what.

    It is signed with CUBEJS_API_SECRET, if that is set, else with the key of the folder's own Cube, which `floe up
    --cube` makes. In production tokens come from whoever signs your users in.
    """
    import os
    import time

    from floe_cli.semantic.tokens import claims_of, signed
    from floe_cli.stack.folders import stack_folder
    from floe_cli.stack.local_cube import KEY, known_secret

    wanted = claims_of(claims, roles, roles_claim, int(time.time()) + minutes * _SECONDS)
    click.echo(signed(wanted, os.environ.get(KEY) or known_secret(stack_folder(path))))
