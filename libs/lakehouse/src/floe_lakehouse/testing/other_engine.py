"""DuckDB as an engine that knows nothing of floe: it reads tables from their metadata, and writes through a catalog."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from floe_lakehouse.extension_files import load_extension


@contextmanager
def duckdb_with_iceberg() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty DuckDB with its Iceberg extension and what that needs; nothing is downloaded."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    with duckdb.connect(":memory:", config=config) as connection:
        for name in ("avro", "httpfs", "iceberg"):
            load_extension(connection, name)
        yield connection


@contextmanager
def duckdb_with_catalog(
    uri: str, client_id: str, client_secret: str, *, scope: str | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB in which the warehouse `lake` of a REST catalog is attached as `lake`.

    Args:
        uri: the catalog's address; its tokens are given below that.
        client_id: who asks.
        client_secret: the client's secret.
        scope: what the token is asked for, where the catalog wants to know.
    """
    asked = f", oauth2_scope '{scope}'" if scope else ""
    with duckdb_with_iceberg() as connection:
        connection.execute(
            f"create secret s (type iceberg, client_id '{client_id}', client_secret '{client_secret}'{asked}, "
            f"oauth2_server_uri '{uri}/v1/oauth/tokens')"
        )
        connection.execute(f"attach 'lake' as lake (type iceberg, endpoint '{uri}', secret s)")
        yield connection
