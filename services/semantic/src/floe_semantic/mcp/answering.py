"""How a tool answers: data that also reads as text, and errors that say what to do."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec

from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, TextContent

from floe_contracts.data import Data
from floe_contracts.errors import FloeError

P = ParamSpec("P")


def answered(data: Data) -> CallToolResult:
    """The data, and once more as one line of JSON for whoever reads text alone."""
    text = data.model_dump_json(exclude_defaults=True)
    return CallToolResult(
        content=[TextContent(type="text", text=text)], structured_content=data.model_dump(mode="json")
    )


def telling(tool: Callable[P, Awaitable[CallToolResult]]) -> Callable[P, Awaitable[CallToolResult]]:
    """The tool, whose errors the caller reads; the SDK hides those of any other kind."""

    @functools.wraps(tool)
    async def told(*args: P.args, **kwargs: P.kwargs) -> CallToolResult:
        try:
            return await tool(*args, **kwargs)
        except FloeError as error:
            raise ToolError(str(error)) from error

    return told
