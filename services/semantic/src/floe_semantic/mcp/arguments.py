"""What the tools take, as their schemas tell it to programs."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from floe_semantic.core.mcp.queries import Filter, Order, TimeDimension

Offset: TypeAlias = Annotated[
    int, Field(ge=0, le=10_000_000, description="How many to pass over: `next_offset` of the last answer.")
]
Limit: TypeAlias = Annotated[int | None, Field(ge=1, description="The most rows; the server has a limit of its own.")]
Search: TypeAlias = Annotated[
    str, Field(max_length=200, description="Only those with this in a name, title or description, of members too.")
]
EntityName: TypeAlias = Annotated[str, Field(max_length=200, description="A view or cube, as list tells it.")]
MemberName: TypeAlias = Annotated[str, Field(max_length=400, description="A member: `<cube or view>.<member>`.")]
Measures: TypeAlias = Annotated[
    tuple[str, ...], Field(max_length=100, description="Numbers to compute, `<cube or view>.<measure>`.")
]
Dimensions: TypeAlias = Annotated[
    tuple[str, ...], Field(max_length=100, description="What to group by, `<cube or view>.<dimension>`.")
]
TimeDimensions: TypeAlias = Annotated[
    tuple[TimeDimension, ...], Field(max_length=20, description="Times to group by, to limit, or both.")
]
Filters: TypeAlias = Annotated[tuple[Filter, ...], Field(max_length=100, description="All of them have to hold.")]
Segments: TypeAlias = Annotated[tuple[str, ...], Field(max_length=50, description="Conditions that the model names.")]
Orders: TypeAlias = Annotated[tuple[Order, ...], Field(max_length=50, description="The first one counts most.")]
Timezone: TypeAlias = Annotated[
    str | None, Field(max_length=100, description="Of days, weeks and so on, as in Europe/Berlin; UTC without.")
]
