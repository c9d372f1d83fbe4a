"""The tools: each reads, and none writes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from mcp.server.mcpserver import MCPServer
from mcp_types import CallToolResult, ToolAnnotations
from pydantic import SecretStr

from floe_semantic.core.mcp.entities import Entities
from floe_semantic.core.mcp.errors import NameUnknown, QueryDenied
from floe_semantic.core.mcp.origins import MemberLineage
from floe_semantic.core.mcp.policy_effects import PolicyEffects, policy_effects
from floe_semantic.core.mcp.queries import AskedQuery, cube_query, named_members
from floe_semantic.core.mcp.results import (
    EntityDescription,
    EntityList,
    Explanation,
    Page,
    QueryAnswer,
    describe_entity,
    list_entities,
    query_answer,
)
from floe_semantic.mcp.answering import answered, telling
from floe_semantic.mcp.arguments import (
    Dimensions,
    EntityName,
    Filters,
    Limit,
    Measures,
    MemberName,
    Offset,
    Orders,
    Search,
    Segments,
    TimeDimensions,
    Timezone,
)
from floe_semantic.mcp.callers import Caller, current_caller
from floe_semantic.mcp.cube_api import CubeApi
from floe_semantic.mcp.lineage_api import LineageApi
from floe_semantic.mcp.member_lineage import trace_member
from floe_semantic.mcp.settings import McpSettings

_READS: Final = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
_MOST_ENTITIES: Final = 200
_MOST_MEMBERS: Final = 300
_DENIED: Final = "no policy grants this query to you"


class CubeTools:
    """What the tools share.

    Args:
        settings: limits.
        cube: where the numbers are.
        lineage: where the lineage is; None where no gateway is configured.
    """

    def __init__(self, settings: McpSettings, cube: CubeApi, lineage: LineageApi | None) -> None:
        self._settings = settings
        self._cube = cube
        self._lineage = lineage

    def register(self, server: MCPServer) -> None:
        """Offer the tools."""
        tools: tuple[tuple[str, str, Callable[..., Awaitable[CallToolResult]]], ...] = (
            ("list", "Views and cubes", self._list),
            ("describe", "Members of a view or cube", self._describe),
            ("query", "Numbers", self._query),
            ("explain", "SQL of a query, and what it hides", self._explain),
            ("lineage", "Where a member comes from", self._trace),
        )
        for name, title, tool in tools:
            server.add_tool(telling(tool), name=name, title=title, annotations=_READS)

    async def listed(self, search: str = "", offset: int = 0) -> EntityList:
        """A part of what the caller may see.

        Raises:
            FloeError: Cube cannot be asked.
        """
        entities = await self._cube.entities(self._caller().cube)
        return list_entities(entities, search, _MOST_ENTITIES, offset)

    async def described(self, name: str, offset: int = 0) -> EntityDescription:
        """One view or cube.

        Raises:
            FloeError: the caller sees none of that name, or Cube cannot be asked.
        """
        token = self._caller().cube
        entities = await self._cube.entities(token)
        if name not in entities.by_name:
            entities = await self._cube.entities(token, fresh=True)
        return describe_entity(entities.entity(name), _MOST_MEMBERS, offset)

    async def _list(self, search: Search = "", offset: Offset = 0) -> Annotated[CallToolResult, EntityList]:
        """List the views and cubes that you may query, views first: a view is made to be asked, prefer it."""
        return answered(await self.listed(search, offset))

    async def _describe(self, name: EntityName, offset: Offset = 0) -> Annotated[CallToolResult, EntityDescription]:
        """Describe one view or cube: its measures, dimensions and segments with types, meaning and classification."""
        return answered(await self.described(name, offset))

    async def _query(
        self,
        measures: Measures = (),
        dimensions: Dimensions = (),
        time_dimensions: TimeDimensions = (),
        filters: Filters = (),
        segments: Segments = (),
        order: Orders = (),
        limit: Limit = None,
        offset: Offset = 0,
        timezone: Timezone = None,
    ) -> Annotated[CallToolResult, QueryAnswer]:
        """Query numbers, with members of one view, or of cubes that join.

        An answer has few rows, and says in `cut` when there are more: aggregate, filter and sort instead of reading
        on. `masked` names members whose values are hidden from you; `limited_by` says that you see certain rows only.
        """
        asked = AskedQuery(
            measures=measures,
            dimensions=dimensions,
            time_dimensions=time_dimensions,
            filters=filters,
            segments=segments,
            order=order,
            offset=offset,
            timezone=timezone,
        )
        page = self._page(limit, offset)
        token = self._caller().cube
        # One row more tells whether there is one.
        query = cube_query(asked, await self._seen(named_members(asked), token), page.rows + 1)
        loaded = await self._cube.load(query, token)
        effects = _effects(loaded.get("query"), asked)
        if effects.denied:
            raise QueryDenied(_DENIED, hint="the owner of the data can grant a role that may see it")
        return answered(query_answer(loaded, effects, page))

    async def _explain(
        self,
        measures: Measures = (),
        dimensions: Dimensions = (),
        time_dimensions: TimeDimensions = (),
        filters: Filters = (),
        segments: Segments = (),
        order: Orders = (),
        limit: Limit = None,
        offset: Offset = 0,
        timezone: Timezone = None,
    ) -> Annotated[CallToolResult, Explanation]:
        """Show the SQL that a query would run for you, without running it, and what of it is hidden from you."""
        asked = AskedQuery(
            measures=measures,
            dimensions=dimensions,
            time_dimensions=time_dimensions,
            filters=filters,
            segments=segments,
            order=order,
            offset=offset,
            timezone=timezone,
        )
        token = self._caller().cube
        try:
            query = cube_query(asked, await self._seen(named_members(asked), token), self._page(limit, offset).rows)
        except NameUnknown as error:
            return answered(Explanation(sql=None, denied=error.message))
        effects = _effects(await self._cube.normalised(query, token), asked)
        if effects.denied:
            return answered(Explanation(sql=None, denied=_DENIED))
        sql, parameters = await self._cube.sql(query, token)
        return answered(
            Explanation(sql=sql, parameters=tuple(parameters), masked=effects.masked, limited_by=effects.limited_by)
        )

    async def _trace(self, member: MemberName) -> Annotated[CallToolResult, MemberLineage]:
        """Tell where a member comes from: its dbt nodes, the columns that it is computed from, and their sources."""
        caller = self._caller()
        entities = await self._seen([member], caller.cube)
        found = entities.member(member)
        if found is None:
            raise NameUnknown(f"{member!r} is no member that you may see", hint=entities.meant(member) or None)
        return answered(await trace_member(found, entities, self._lineage, caller.lineage))

    def _caller(self) -> Caller:
        return current_caller(self._settings)

    def _page(self, limit: int | None, offset: int) -> Page:
        most = self._settings.row_limit
        rows = min(limit or most, most)
        return Page(rows=rows, capped=limit is None or limit > most, size=self._settings.answer_size, offset=offset)

    async def _seen(self, names: list[str], token: SecretStr) -> Entities:
        """What the caller may see; asked of Cube anew before a name is called unknown."""
        entities = await self._cube.entities(token)
        if all(entities.member(name) for name in names):
            return entities
        return await self._cube.entities(token, fresh=True)


def _effects(run: object, asked: AskedQuery) -> PolicyEffects:
    query: dict[str, Any] = run if isinstance(run, dict) else {}
    return policy_effects(query, named_members(asked), len(asked.filters))
