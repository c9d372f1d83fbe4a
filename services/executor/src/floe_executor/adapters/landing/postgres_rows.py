"""The PostgreSQL tables of a product, as a landing reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from floe_contracts.artifacts import Compute
from floe_contracts.nodes import Node
from floe_contracts.placeholders import placeholder
from floe_lakehouse.duckdb_files import Engine
from floe_lakehouse.postgres_source import PostgresServer, PostgresTable

_PARAMETERS: Final = {
    "ssl_mode": "sslmode",
    "ssl_cert": "sslcert",
    "ssl_key": "sslkey",
    "ssl_root_cert": "sslrootcert",
    "connect_timeout": "connect_timeout",
}
"""Properties of the compute that libpq takes, by its names for them."""


def postgres_table(compute: Compute, node: Node, secrets: Callable[[str], str]) -> PostgresTable:
    """The table of a node, reached as dbt reaches it.

    Args:
        compute: of the type postgres.
        node: a table that was built there.
        secrets: resolves the name of a secret.

    Raises:
        FloeError: a secret cannot be resolved.
    """

    def value(name: str) -> str:
        secret = compute.secrets.get(placeholder(compute.name, name))
        return secrets(secret) if secret is not None else str(compute.properties[name])

    given = compute.properties
    server = PostgresServer(
        host=given["host"],
        port=given["port"],
        user=value("user"),
        password=value("password"),
        database=given["database"],
        role=given.get("role"),
        parameters={
            "application_name": "floe",
            **{theirs: str(given[ours]) for ours, theirs in _PARAMETERS.items() if ours in given},
        },
    )
    return PostgresTable(server, node.schema_name, node.identifier, Engine())
