"""`floe catalog read`."""

from __future__ import annotations

from pathlib import Path

import click

from floe_cli.commands.catalog import options
from floe_cli.commands.printing import print_parts


@click.command()
@options.table
@options.path
@click.option("--at", metavar="AT", help=options.AT_HELP)
@click.option("--columns", "-c", metavar="NAME,...", multiple=True, help="Only these columns; repeatable.")
@click.option("--where", "-w", metavar="FILTER", help='Only rows for which this holds, as in "amount > 10".')
@click.option("--limit", "-n", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many rows.")
@click.option("--all", "all_rows", is_flag=True, help="All rows, however many there are.")
@click.option("--arrow", type=click.Path(path_type=Path), metavar="FILE", help="Write the rows as an Arrow IPC stream.")
@options.product
@options.environment
@options.as_json
def read(
    table: str,
    path: Path,
    at: str | None,
    columns: tuple[str, ...],
    where: str | None,
    limit: int,
    all_rows: bool,
    arrow: Path | None,
    product: str | None,
    environment: str | None,
    as_json: bool,
) -> None:
    """Read the rows of a table, as they are or as they were."""
    import json

    from floe_cli.catalog.row_reading import read_rows, write_arrow
    from floe_cli.catalog.views import rows_view
    from floe_contracts.catalog_requests import ReadTable

    if as_json and arrow is not None:
        raise click.UsageError("--arrow writes a file: it does not go with --json")
    request = ReadTable(
        table=table,
        product=product,
        at=at,
        columns=tuple(name.strip() for item in columns for name in item.split(",") if name.strip()),
        where=where,
        limit=None if all_rows else limit,
        form="json" if arrow is None else "arrow",
    )
    if arrow is not None:
        answer = write_arrow(path, environment, request, arrow)
        click.echo(f"{answer.rows:,} rows written to {arrow}")
        return
    answer, rows = read_rows(path, environment, request)
    if as_json:
        click.echo(json.dumps(answer.model_dump(mode="json") | {"data": rows}))
        return
    print_parts(rows_view(answer.columns, rows) if rows else "no rows")
    if not answer.complete:
        click.echo(f"the first {answer.rows:,} rows; --limit shows more, --all everything")
