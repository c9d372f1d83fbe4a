"""Printing what a service answered: for programs as it stands in its contract, for people in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

    from floe_contracts.requests import Answer


def print_json(answer: Answer) -> None:
    """Print an answer as it stands in its contract."""
    click.echo(answer.model_dump_json())


def print_parts(*parts: RenderableType) -> None:
    """Print what people read, with an empty line between the parts."""
    from floe_cli.run_views import table_console

    console = table_console()
    with console.capture() as shown:
        for number, part in enumerate(parts):
            console.print(*([""] if number else []), part, sep="\n", markup=False)
    # Tables fill their last column up; on a terminal the blanks stand before the codes of colours.
    click.echo("\n".join(line.rstrip() for line in shown.get().splitlines()))
