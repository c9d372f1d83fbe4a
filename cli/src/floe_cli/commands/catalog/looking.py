"""The commands of `floe catalog` that look at tables without reading their rows."""

from __future__ import annotations

from pathlib import Path

import click

from floe_cli.commands.catalog import options
from floe_cli.commands.catalog.answering import ask_once, show_unanswered
from floe_cli.commands.printing import print_json, print_parts


@click.command()
@options.path
@options.product
@options.environment
@options.as_json
def namespaces(path: Path, product: str | None, environment: str | None, as_json: bool) -> int:
    """List the namespaces of products."""
    from floe_cli.catalog.views import namespaces_view
    from floe_contracts.catalog_requests import LIST_NAMESPACES, ListNamespaces

    answer = ask_once(path, environment, LIST_NAMESPACES, ListNamespaces(product=product))
    if as_json:
        print_json(answer)
    else:
        print_parts(namespaces_view(answer.namespaces) if answer.namespaces else "no namespaces")
    return show_unanswered(answer.unanswered)


@click.command()
@options.path
@options.product
@options.environment
@options.as_json
def tables(path: Path, product: str | None, environment: str | None, as_json: bool) -> int:
    """List the tables of products, with what they hold now."""
    from floe_cli.catalog.views import tables_view
    from floe_contracts.catalog_requests import LIST_TABLES, ListTables

    answer = ask_once(path, environment, LIST_TABLES, ListTables(product=product))
    if as_json:
        print_json(answer)
    else:
        print_parts(tables_view(answer.tables) if answer.tables else "no tables")
    return show_unanswered(answer.unanswered)


@click.command()
@options.table
@options.path
@options.product
@options.environment
@options.as_json
def describe(table: str, path: Path, product: str | None, environment: str | None, as_json: bool) -> None:
    """Show what a table is: columns, partition fields, place, maintenance, drift from what is declared."""
    from floe_cli.catalog.views import description_view
    from floe_contracts.catalog_requests import DESCRIBE_TABLE, DescribeTable

    answer = ask_once(path, environment, DESCRIBE_TABLE, DescribeTable(table=table, product=product))
    if as_json:
        print_json(answer)
    else:
        print_parts(*description_view(answer))


@click.command()
@options.table
@options.path
@click.option("--limit", "-n", type=click.IntRange(min=1), default=20, show_default=True, help="The newest ones.")
@options.product
@options.environment
@options.as_json
def snapshots(table: str, path: Path, limit: int, product: str | None, environment: str | None, as_json: bool) -> None:
    """List the snapshots of a table, the newest first, with the runs that left them."""
    from floe_cli.catalog.views import snapshots_view
    from floe_contracts.catalog_requests import LIST_SNAPSHOTS, ListSnapshots

    answer = ask_once(path, environment, LIST_SNAPSHOTS, ListSnapshots(table=table, product=product, limit=limit))
    if as_json:
        print_json(answer)
        return
    print_parts(snapshots_view(answer) if answer.snapshots else "no snapshots")
    if (hidden := answer.total - len(answer.snapshots)) > 0:
        click.echo(f"and {hidden:,} older ones: --limit shows more")


@click.command()
@options.table
@options.path
@click.option("--from", "before", metavar="AT", help="The first snapshot; left out, the parent of the second.")
@click.option("--to", "after", metavar="AT", help=f"The second. {options.AT_HELP}")
@click.option("--rows", is_flag=True, help="Compare the rows too, which reads both snapshots as a whole.")
@options.product
@options.environment
@options.as_json
def diff(
    table: str,
    path: Path,
    before: str | None,
    after: str | None,
    rows: bool,
    product: str | None,
    environment: str | None,
    as_json: bool,
) -> None:
    """Show what differs between two snapshots of a table: columns, rows and files."""
    from floe_cli.catalog.views import diff_view
    from floe_contracts.catalog_requests import DIFF_SNAPSHOTS, DiffSnapshots

    request = DiffSnapshots(table=table, product=product, before=before, after=after, rows=rows)
    answer = ask_once(path, environment, DIFF_SNAPSHOTS, request)
    if as_json:
        print_json(answer)
    else:
        print_parts(*diff_view(answer))
