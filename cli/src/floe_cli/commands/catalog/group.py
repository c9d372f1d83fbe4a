"""`floe catalog`."""

from __future__ import annotations

import click

from floe_cli.commands.catalog.grants import grants
from floe_cli.commands.catalog.looking import describe, diff, namespaces, snapshots, tables
from floe_cli.commands.catalog.maintaining import compact, expire, manifests, orphans
from floe_cli.commands.catalog.naming import branch, tag
from floe_cli.commands.catalog.reading import read
from floe_cli.commands.catalog.rolling_back import rollback


@click.group()
def catalog() -> None:
    """Look into the Iceberg catalog, read tables as they were, and put them in order.

    The stack is the one that FLOE_NATS_URL names, or that of the folder PATH, which need not be running. A table is
    named by its whole name, default.dev.shop.marts.orders, or as much of its end as no other table has: orders.
    """


for _command in (
    namespaces,
    tables,
    describe,
    snapshots,
    diff,
    read,
    tag,
    branch,
    rollback,
    compact,
    manifests,
    expire,
    orphans,
    grants,
):
    catalog.add_command(_command)
