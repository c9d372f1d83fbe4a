"""`floe catalog grants`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from floe_cli.commands.catalog import options
from floe_cli.commands.catalog.answering import ask_once
from floe_cli.commands.printing import print_json, print_parts
from floe_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from floe_contracts.catalog_access import GrantsAnswer

_SERVICES: Final = ("executor", "catalog", "semantic")


@click.command()
@click.argument("product")
@options.path
@options.environment
@click.option("--check", is_flag=True, help="Only say what differs; the exit code is 3 if anything does.")
@click.option(
    "--new-secret",
    "new_secrets",
    type=click.Choice(_SERVICES),
    multiple=True,
    help="Give the principal of this service a new secret; the old one ends. Repeatable.",
)
@click.option(
    "--secrets-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write client ids and secrets to this new file, for you alone to read, in place of showing them.",
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask before.")
@options.as_json
def grants(
    product: str,
    path: Path,
    environment: str | None,
    check: bool,
    new_secrets: tuple[str, ...],
    secrets_file: Path | None,
    yes: bool,
    as_json: bool,
) -> int:
    """Give the services what they need on the tables of PRODUCT in its catalog, and take away what they do not.

    Each service has a principal of its own in the catalog. Its secret is told once, when it is made: keep it as a
    secret of that service. Works for catalogs of the type polaris.
    """
    from floe_cli.catalog.secrets_file import secrets_to
    from floe_contracts.catalog_access import GRANTS, GrantsRequest

    if check and (new_secrets or secrets_file is not None):
        raise click.UsageError("--check changes nothing: it makes no secrets")
    if not check and not yes and (as_json or not sys.stdin.isatty()):
        raise click.UsageError("nobody is there to be asked whether to go on: give --yes, or --check to look")
    if check or not yes:
        found = ask_once(path, environment, GRANTS, GrantsRequest(product=product, apply=False))
        if check or (found.in_sync and not new_secrets):
            return _report(found, as_json=as_json)
        _report(found, as_json=False)
        click.confirm("put that right?", abort=True)
    document: dict[str, Any] = {"product": product, "apply": True, "new_secrets": new_secrets}
    with secrets_to(secrets_file) as write:
        answer = ask_once(path, environment, GRANTS, GrantsRequest.model_validate(document))
        write(answer.credentials)
    if secrets_file is not None:
        answer = answer.model_copy(update={"credentials": ()})
    return _report(answer, as_json=as_json)


def _report(answer: GrantsAnswer, *, as_json: bool) -> ExitCode:
    from floe_cli.catalog.access_views import grants_view, secrets_lines
    from floe_cli.show_problems import show_problems

    if as_json:
        print_json(answer)
    else:
        print_parts(*grants_view(answer))
        if answer.credentials:
            click.echo("\nThese secrets are not told again; keep each as a secret of its service.")
            click.echo("\n".join(secrets_lines(answer.credentials)))
    if answer.problem is not None:
        show_problems([answer.problem])
        return ExitCode.UNREACHABLE if answer.problem.transient else ExitCode.RUN_FAILED
    return ExitCode.OK if answer.in_sync else ExitCode.RUN_FAILED
