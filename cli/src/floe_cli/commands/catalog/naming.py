"""`floe catalog tag` and `floe catalog branch`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from floe_cli.commands.catalog import options
from floe_cli.commands.catalog.answering import ask_once
from floe_cli.commands.printing import print_json

if TYPE_CHECKING:
    from floe_contracts.catalog_requests import ReferenceChanged

_PARAMETERS = (
    options.table,
    click.argument("name"),
    options.path,
    click.option("--at", metavar="AT", help=options.AT_HELP),
    click.option("--remove", is_flag=True, help="Take it away."),
    options.product,
    options.environment,
    options.as_json,
)


def _naming(command: Callable[..., None]) -> click.Command:
    """A command that gives a snapshot a name, or takes the name away."""
    for parameter in reversed(_PARAMETERS):
        command = parameter(command)
    return click.command()(command)


@_naming
def tag(
    table: str,
    name: str,
    path: Path,
    at: str | None,
    remove: bool,
    product: str | None,
    environment: str | None,
    as_json: bool,
) -> None:
    """Give a snapshot of a table a NAME: it can be read by it, and never expires."""
    from floe_contracts.catalog_requests import CHANGE_TAG, ChangeTag

    _check(at, remove=remove)
    request = ChangeTag(table=table, product=product, name=name, at=at, remove=remove)
    _show("tag", ask_once(path, environment, CHANGE_TAG, request), as_json=as_json)


@_naming
def branch(
    table: str,
    name: str,
    path: Path,
    at: str | None,
    remove: bool,
    product: str | None,
    environment: str | None,
    as_json: bool,
) -> None:
    """Begin a branch NAME at a snapshot of a table, for other engines to write to."""
    from floe_contracts.catalog_requests import CHANGE_BRANCH, ChangeBranch

    _check(at, remove=remove)
    request = ChangeBranch(table=table, product=product, name=name, at=at, remove=remove)
    _show("branch", ask_once(path, environment, CHANGE_BRANCH, request), as_json=as_json)


def _check(at: str | None, *, remove: bool) -> None:
    if remove and at is not None:
        raise click.UsageError("--remove takes a name away, whatever it points to: leave --at out")


def _show(kind: str, answer: ReferenceChanged, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    what = f"{kind} {answer.name} of {answer.identifier}"
    if answer.after is None:
        click.echo(f"{what} is gone; it was snapshot {answer.before}")
    elif answer.before in (None, answer.after):
        click.echo(f"{what} is snapshot {answer.after}{'' if answer.before is None else ', as it was'}")
    else:
        click.echo(f"{what} is snapshot {answer.after}; it was {answer.before}")
