"""A query of a caller: its form, what it may name, and how Cube is asked it."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from floe_contracts.data import Data
from floe_semantic.core.mcp.entities import Entities, Member, MemberKind
from floe_semantic.core.mcp.errors import NameUnknown, QueryInvalid

MemberName: TypeAlias = Annotated[str, Field(max_length=400, description="`<cube or view>.<member>`.")]
Operator: TypeAlias = Literal[
    "equals",
    "notEquals",
    "contains",
    "notContains",
    "startsWith",
    "notStartsWith",
    "endsWith",
    "notEndsWith",
    "gt",
    "gte",
    "lt",
    "lte",
    "set",
    "notSet",
    "inDateRange",
    "notInDateRange",
    "onTheDate",
    "beforeDate",
    "beforeOrOnDate",
    "afterDate",
    "afterOrOnDate",
]
_WITHOUT_VALUES: Final = ("set", "notSet")
_GRANULARITIES: Final = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
_DEEPEST: Final = 8
_PLACES: Final[dict[MemberKind, str]] = {
    "measure": "measures",
    "dimension": "dimensions or time_dimensions",
    "segment": "segments",
}


class TimeDimension(Data):
    """A time dimension to group by, to limit, or both."""

    dimension: MemberName
    granularity: str | None = Field(
        default=None, description="second, minute, hour, day, week, month, quarter, year, or one that describe names."
    )
    date_range: str | Annotated[list[str], Field(min_length=1, max_length=2)] | None = Field(
        default=None, description='["2026-01-01", "2026-01-31"], both included, or words: "last 7 days".'
    )


class Filter(Data):
    """A condition on one member, or several by `and` or by `or`."""

    member: MemberName | None = None
    operator: Operator | None = None
    values: Annotated[list[str | int | float | bool | None], Field(max_length=1_000)] | None = None
    and_: list[Filter] | None = Field(default=None, alias="and", min_length=1, max_length=100)
    or_: list[Filter] | None = Field(default=None, alias="or", min_length=1, max_length=100)

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if sum(part is not None for part in (self.member, self.and_, self.or_)) != 1:
            raise ValueError("a filter has a member with an operator, or `and`, or `or`")
        if self.member is None:
            if self.operator is not None or self.values is not None:
                raise ValueError("operator and values belong to a member")
        elif self.operator is None:
            raise ValueError("a filter on a member has an operator")
        elif self.operator not in _WITHOUT_VALUES and not self.values:
            raise ValueError(f"the operator {self.operator} has values")
        return self


class Order(Data):
    """One of the query's own members to sort by."""

    member: MemberName
    direction: Literal["asc", "desc"] = "asc"


class AskedQuery(Data):
    """What a caller asks."""

    measures: tuple[str, ...] = ()
    dimensions: tuple[str, ...] = ()
    time_dimensions: tuple[TimeDimension, ...] = ()
    filters: tuple[Filter, ...] = ()
    segments: tuple[str, ...] = ()
    order: tuple[Order, ...] = ()
    offset: int = 0
    timezone: str | None = None


def cube_query(asked: AskedQuery, entities: Entities, rows: int) -> dict[str, Any]:
    """The query in Cube's own form.

    Args:
        asked: what the caller asks.
        entities: what the caller may see.
        rows: the most that Cube is to answer with.

    Raises:
        NameUnknown: it names what the caller may not see, or what is of another kind; all such names are told.
        QueryInvalid: it asks for nothing, or sorts by what it does not ask for.
    """
    selected = [*asked.measures, *asked.dimensions, *(item.dimension for item in asked.time_dimensions)]
    if not (asked.measures or asked.dimensions or any(item.granularity for item in asked.time_dimensions)):
        raise QueryInvalid("the query asks for nothing", hint="name a measure, a dimension, or a granularity of a time")
    unknown, misplaced = _unknown(asked, entities), _misplaced(asked, entities)
    if unknown:
        raise NameUnknown("; ".join([*unknown, *misplaced]))
    if misplaced:
        raise QueryInvalid("; ".join(misplaced))
    strange = [item.member for item in asked.order if item.member not in selected]
    if strange:
        raise QueryInvalid(
            f"the query is to be sorted by {strange[0]!r}, which it does not ask for",
            hint=f"it asks for {', '.join(selected)}",
        )
    query: dict[str, Any] = {"measures": list(asked.measures), "dimensions": list(asked.dimensions), "limit": rows}
    parts: dict[str, Any] = {
        "timeDimensions": [_time_dimension(item) for item in asked.time_dimensions],
        "filters": [cube_filter(item) for item in asked.filters],
        "segments": list(asked.segments),
        "order": [[item.member, item.direction] for item in asked.order],
        "offset": asked.offset,
        "timezone": asked.timezone,
    }
    return query | {name: value for name, value in parts.items() if value}


def named_members(asked: AskedQuery) -> list[str]:
    """Every member that the query names, each once, in the order of the query."""
    return list(dict.fromkeys(name for name, _ in _named(asked)))


def cube_filter(item: Filter, depth: int = 0) -> dict[str, Any]:
    """A filter in Cube's own form, whose values are text.

    Raises:
        QueryInvalid: it is nested too deep.
    """
    if depth > _DEEPEST:
        raise QueryInvalid(f"filters are nested deeper than {_DEEPEST}")
    for key, parts in (("and", item.and_), ("or", item.or_)):
        if parts is not None:
            return {key: [cube_filter(part, depth + 1) for part in parts]}
    made: dict[str, Any] = {"member": item.member, "operator": item.operator}
    return made | ({"values": [_value(value) for value in item.values]} if item.values else {})


def _value(value: str | float | bool | None) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value is None or isinstance(value, str) else repr(value)


def _time_dimension(item: TimeDimension) -> dict[str, Any]:
    made: dict[str, Any] = {"dimension": item.dimension}
    if item.granularity:
        made["granularity"] = item.granularity
    if item.date_range:
        made["dateRange"] = item.date_range
    return made


def _named(asked: AskedQuery) -> list[tuple[str, tuple[MemberKind, ...]]]:
    """Each name, and of which kinds it may be where it stands."""
    named: list[tuple[str, tuple[MemberKind, ...]]] = [(name, ("measure",)) for name in asked.measures]
    named += [(name, ("dimension",)) for name in asked.dimensions]
    named += [(item.dimension, ("dimension",)) for item in asked.time_dimensions]
    named += [(name, ("segment",)) for name in asked.segments]
    waiting = list(asked.filters)
    while waiting:
        item = waiting.pop(0)
        if item.member is not None:
            named.append((item.member, ("measure", "dimension")))
        waiting += [*(item.and_ or ()), *(item.or_ or ())]
    return named


def _unknown(asked: AskedQuery, entities: Entities) -> list[str]:
    problems = []
    for name in named_members(asked):
        if entities.member(name) is None:
            meant = entities.meant(name)
            problems.append(f"{name!r} is no member that you may see" + (f", {meant}" if meant else ""))
    return problems


def _misplaced(asked: AskedQuery, entities: Entities) -> list[str]:
    problems = []
    for name, kinds in dict.fromkeys(_named(asked)):
        member = entities.member(name)
        if member is not None and member.kind not in kinds:
            problems.append(f"{name!r} is a {member.kind}: it belongs into {_PLACES[member.kind]}")
    for item in asked.time_dimensions:
        found = entities.member(item.dimension)
        if found is not None and found.kind == "dimension":
            problems += _time_problems(item, found)
    return problems


def _time_problems(item: TimeDimension, member: Member) -> list[str]:
    if member.type != "time":
        return [f"{member.name!r} is no time: it belongs into dimensions"]
    known = {*_GRANULARITIES, *member.granularities}
    if item.granularity is not None and item.granularity not in known:
        return [f"{member.name!r} has no granularity {item.granularity!r}: it has {', '.join(sorted(known))}"]
    return []
