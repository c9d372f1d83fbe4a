"""`floe products`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from floe_contracts.live_products import LiveProduct


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--environment", "-e", help="Only in this environment.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def products(path: Path, environment: str | None, as_json: bool) -> None:
    """Show the products that are live, what starts their runs, and when the next tick comes.

    Reads the stack that FLOE_NATS_URL names, or that of the folder PATH, whether it is running or not.
    """
    import asyncio
    import json
    from datetime import UTC, datetime

    from floe_cli.run_records import read_live
    from floe_cli.run_views import product_document, products_table, table_console
    from floe_cli.stack.connection import reading

    async def main() -> list[LiveProduct]:
        async with reading(path) as connection:
            return await read_live(connection, environment)

    live = asyncio.run(main())
    now = datetime.now(UTC)
    if as_json:
        click.echo(json.dumps({"products": [product_document(product, now) for product in live]}))
    elif live:
        table_console().print(products_table(live, now))
    else:
        click.echo("no product is live")
