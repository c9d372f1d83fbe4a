"""The MCP server that is installed, found through the entry-point group `floe.mcp_servers`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Final

from floe_contracts.errors import WrongUsage

GROUP: Final = "floe.mcp_servers"
_HINT: Final = "install floe-semantic[mcp]"
Serve = Callable[[Mapping[str, str]], None]


def load_mcp_server() -> Serve:
    """The function that serves MCP until it is told to stop.

    Raises:
        WrongUsage: none is installed, or what it needs is not.
    """
    for entry in entry_points(group=GROUP):
        try:
            serve: Serve = entry.load()
        except ModuleNotFoundError as error:
            raise WrongUsage(f"the MCP server needs {error.name}, which is not installed", hint=_HINT) from error
        return serve
    raise WrongUsage("no MCP server is installed", hint=_HINT)
