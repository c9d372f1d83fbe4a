"""The commands of `floe lineage` that ask what is known of datasets, jobs and columns now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from floe_cli.commands.lineage.asking import ask_once
from floe_cli.commands.printing import print_json, print_parts

if TYPE_CHECKING:
    from floe_contracts.lineage_requests import Direction

_MOST_DEPTH: Final = 100
"""The contract's limit, written here so that `floe --help` need not load the contracts."""
_path = click.argument("path", type=click.Path(path_type=Path), default=".")
_environment = click.option(
    "--environment", "--env", "-e", help="Where; dev, or the only one where something is live, where left out."
)


@click.command()
@click.argument("name")
@_path
@click.option("--job", is_flag=True, help="NAME is that of a job, not of a dataset.")
@click.option("--upstream", is_flag=True, help="Only what it is made of.")
@click.option("--downstream", is_flag=True, help="Only what is made of it.")
@click.option("--depth", type=click.IntRange(1, _MOST_DEPTH), default=5, show_default=True, help="Jobs to go through.")
@click.option("--columns", is_flag=True, help="Show columns, too, and what each is made of.")
@_environment
@click.option(
    "--output",
    "-o",
    type=click.Choice(["text", "json", "dot", "mermaid"]),
    default="text",
    help="A tree to read, a document, or a drawing for Graphviz or Mermaid.",
)
def graph(
    name: str,
    path: Path,
    job: bool,
    upstream: bool,
    downstream: bool,
    depth: int,
    columns: bool,
    environment: str | None,
    output: str,
) -> None:
    """Show what the dataset NAME is made of, and what is made of it.

    NAME is its whole name, or as much of its end as nothing else has: orders.
    """
    from floe_contracts.lineage_requests import READ_GRAPH, ReadGraph

    direction: Direction = "both" if upstream is downstream else "upstream" if upstream else "downstream"
    request = ReadGraph(
        dataset=None if job else name,
        job=name if job else None,
        direction=direction,
        depth=depth,
        columns=columns,
    )
    answer = ask_once(path, READ_GRAPH, request, environment)
    if output == "json":
        print_json(answer)
    elif output == "text":
        from floe_cli.lineage_views.graph_tree import graph_parts

        print_parts(*graph_parts(answer, direction))
    else:
        from floe_cli.lineage_views import drawings

        click.echo(drawings.dot(answer) if output == "dot" else drawings.mermaid(answer))


@click.command()
@click.argument("name")
@_path
@click.option("--column", "-c", help="Only what depends on this column of it.")
@_environment
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
def impact(name: str, path: Path, column: str | None, environment: str | None, as_json: bool) -> None:
    """Show what a change of the dataset NAME reaches, the nearest first."""
    from floe_cli.lineage_views.column_words import impact_parts
    from floe_contracts.lineage_requests import READ_IMPACT, ReadImpact

    answer = ask_once(path, READ_IMPACT, ReadImpact(dataset=name, field=column), environment)
    if as_json:
        print_json(answer)
    else:
        print_parts(*impact_parts(answer))


@click.command()
@click.argument("name")
@click.argument("column_name", metavar="COLUMN")
@_path
@_environment
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
def column(name: str, column_name: str, path: Path, environment: str | None, as_json: bool) -> None:
    """Show where COLUMN of the dataset NAME comes from and goes, and what it is because of that."""
    from floe_cli.lineage_views.column_words import column_parts
    from floe_contracts.lineage_requests import READ_COLUMN, ReadColumn

    answer = ask_once(path, READ_COLUMN, ReadColumn(dataset=name, field=column_name), environment)
    if as_json:
        print_json(answer)
    else:
        print_parts(*column_parts(answer))
