"""The options of every command that asks for a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from floe_contracts.events import RunOptions

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--select", "-s", multiple=True, help="Only these, as `dbt build --select` takes them; repeatable."),
    click.option("--exclude", multiple=True, help="Not these, as `dbt build --exclude` takes them; repeatable."),
    click.option("--full-refresh", is_flag=True, help="Build incremental models from nothing."),
    click.option("--vars", "variables", metavar="YAML", help="Variables of dbt, as a YAML or JSON object."),
    click.option("--allow-breaking", is_flag=True, help="Let tables change so that their readers break."),
)


def run_options(function: FunctionT) -> FunctionT:
    """Give a command the options of a run; `options_of` reads them."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def options_of(
    *,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    full_refresh: bool,
    variables: str | None,
    allow_breaking: bool,
    partition: str | None = None,
) -> RunOptions:
    """What the options of `run_options` say.

    Raises:
        WrongUsage: the variables are no object.
    """
    from floe_cli.run_asking import read_vars
    from floe_contracts.events import RunOptions

    return RunOptions(
        select=select,
        exclude=exclude,
        full_refresh=full_refresh,
        vars=read_vars(variables),
        partition=partition,
        allow_breaking=allow_breaking,
    )
