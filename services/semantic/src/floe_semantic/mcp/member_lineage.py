"""The lineage of a member: what Cube's model says, and the graph of what ran where a gateway tells it."""

from __future__ import annotations

import asyncio
from typing import Final

from pydantic import SecretStr

from floe_contracts.lineage_requests import ColumnAnswer
from floe_semantic.core.mcp.entities import Entities, Member
from floe_semantic.core.mcp.errors import LineageUnavailable
from floe_semantic.core.mcp.origins import MemberLineage, Origin, dataset_name, origin, upstream_columns
from floe_semantic.mcp.lineage_api import LineageApi

_MOST_COLUMNS: Final = 10
_MOST_UPSTREAM: Final = 200


async def trace_member(
    member: Member, entities: Entities, lineage: LineageApi | None, token: SecretStr | None
) -> MemberLineage:
    """Where the member comes from.

    Args:
        member: one that the caller may see.
        entities: all that the caller may see.
        lineage: the gateway; None where none is configured.
        token: the caller's, for the gateway.
    """
    known = origin(member, entities)
    answers, note = await _asked(known, lineage, token)
    upstream, cut = upstream_columns(answers, _MOST_UPSTREAM)
    return MemberLineage(
        member=member.name,
        stands_for=member.stands_for,
        model=known.model,
        defined_by=known.defined_by,
        columns=known.columns,
        classification=member.classifications,
        source="cube and lineage" if answers else "cube",
        upstream=upstream,
        truncated=cut or bool(answers and len(known.columns) > _MOST_COLUMNS),
        note=note,
    )


async def _asked(
    known: Origin, lineage: LineageApi | None, token: SecretStr | None
) -> tuple[list[ColumnAnswer], str | None]:
    """What the gateway tells of the columns, or why it tells nothing."""
    if lineage is None:
        return [], "no gateway is configured: FLOE_MCP_LINEAGE_URL, or --lineage-url"
    if known.model is None:
        return [], "you may not see the cube behind this view, which would say of which model the columns are"
    if not known.columns:
        return [], "the model names no columns for this member"
    dataset = dataset_name(known.model)
    columns = known.columns[:_MOST_COLUMNS]
    told = await asyncio.gather(*(_upstream(lineage, dataset, column, token) for column in columns))
    notes = dict.fromkeys(item for item in told if isinstance(item, str))
    return [item for item in told if not isinstance(item, str)], "; ".join(notes) or None


async def _upstream(lineage: LineageApi, dataset: str, column: str, token: SecretStr | None) -> ColumnAnswer | str:
    """What the gateway tells of one column, or why it does not."""
    try:
        return await lineage.upstream(dataset, column, token)
    except LineageUnavailable as error:
        return f"of {column}: {error.message}"
