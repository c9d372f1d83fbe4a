"""How a tool answers: data that also reads as text, and errors that say what to do."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Final, ParamSpec

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, InputRequiredResult, TextContent
from pydantic import ValidationError

from floe_contracts.data import Data
from floe_contracts.errors import FloeError

P = ParamSpec("P")
_MOST_TOLD: Final = 5


class ToolServer(MCPServer[Any]):
    """The SDK's server, which says what is wrong with arguments in words of the tools instead of its own."""

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool by its name.

        Raises:
            ToolError: the arguments do not fit, there is no such tool, or it says why it cannot answer.
            UnexpectedToolError: the tool failed.
        """
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            if not isinstance(error.__cause__, ValidationError):
                raise
            raise ToolError(f"{name}: {_wrong_arguments(error.__cause__)}") from error.__cause__


def _wrong_arguments(error: ValidationError) -> str:
    told = []
    for wrong in error.errors(include_url=False)[:_MOST_TOLD]:
        place = ".".join(str(part) for part in wrong["loc"])
        said = wrong["msg"].removeprefix("Value error, ")
        told.append(f"{place}: {said}" if place else said)
    more = error.error_count() - len(told)
    return "; ".join(told) + (f"; and {more} more" if more else "")


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
