"""What a bundle asks of `serve.duckdb`, the read-only database of the landed tables that Cube reads locally."""

from __future__ import annotations

from floe_contracts.nodes import Node


def landed_snapshot(node: Node) -> str:
    """The query whose answer changes as soon as the node's table has landed again."""
    schema, table = (name.replace("'", "''") for name in (node.schema_name, node.identifier))
    return (
        "SELECT snapshot_id FROM floe_serve.tables "  # noqa: S608 -- quoted
        f"WHERE schema_name = '{schema}' AND table_name = '{table}'"
    )
