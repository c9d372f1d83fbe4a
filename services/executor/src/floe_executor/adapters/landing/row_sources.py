"""Where the rows of a node are read from, by the kind of compute that built it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from floe_contracts.nodes import Node
from floe_contracts.openlineage.naming import Place
from floe_executor.adapters.landing.postgres_rows import postgres_table
from floe_executor.core.ports import BuildRequest
from floe_lakehouse.duckdb_files import DuckDBTable, Engine
from floe_lakehouse.staged import RowSource


def row_source(
    request: BuildRequest, node: Node, database_of: Callable[[Place], Path], secrets: Callable[[str], str]
) -> RowSource:
    """The table of a node that this build has made.

    Args:
        request: the build.
        node: a node whose tables land; see `floe_executor.core.warehouses`.
        database_of: says where the DuckDB file of a place is.
        secrets: resolves the names of secrets.

    Raises:
        FloeError: a secret cannot be resolved.
    """
    compute = request.environment.compute
    if compute.type == "postgres":
        return postgres_table(compute, node, secrets)
    engine = Engine(str(compute.properties["memory_limit"]), compute.threads)
    return DuckDBTable(database_of(request.record.place), node.schema_name, node.identifier, engine)
