"""`floe mcp`."""

from __future__ import annotations

import click


@click.command()
@click.option("--http", metavar="HOST:PORT", help="Serve streamable HTTP here, at /mcp, instead of stdin and stdout.")
@click.option("--cube-url", metavar="URL", help="Where Cube answers; http://127.0.0.1:4000 where left out.")
@click.option("--lineage-url", metavar="URL", help="The gateway that tells lineage, as http://127.0.0.1:8080.")
def mcp(http: str | None, cube_url: str | None, lineage_url: str | None) -> None:
    """Serve what Cube shows to programs that speak the Model Context Protocol.

    Over stdin and stdout it asks Cube with FLOE_CUBE_API_TOKEN, over HTTP with the token that each request brings in
    its Authorization header. It only reads. More settings: FLOE_MCP_... in the reference.
    """
    import os

    from floe_cli.stack.mcp_servers import load_mcp_server

    given = {"FLOE_MCP_HTTP": http, "FLOE_MCP_CUBE_URL": cube_url, "FLOE_MCP_LINEAGE_URL": lineage_url}
    load_mcp_server()({**os.environ, **{name: value for name, value in given.items() if value}})
