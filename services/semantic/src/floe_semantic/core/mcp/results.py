"""What the tools answer. Everything is bounded, and says so where it was cut."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic import Field

from floe_contracts.data import Data
from floe_semantic.core.mcp.entities import Entities, Entity, EntityKind, Member, MemberKind
from floe_semantic.core.mcp.policy_effects import PolicyEffects

_BRIEF: Final = 240
_MOST_DESCRIPTION: Final = 4_000


class EntityLine(Data):
    """A cube or view in a list."""

    name: str = Field(description="As queries name it.")
    kind: EntityKind = Field(description="view: made to be asked; cube: a table behind views.")
    title: str = Field(description="For people.")
    description: str = Field(description="The beginning of it.")
    measures: int = Field(description="How many measures the caller may see.")
    dimensions: int = Field(description="How many dimensions the caller may see.")


class EntityList(Data):
    """Cubes and views that the caller may see, views first."""

    entities: tuple[EntityLine, ...] = Field(description="By kind, then by name.")
    total: int = Field(description="How many there are, with those that are not in this answer.")
    next_offset: int | None = Field(default=None, description="Ask again with it for the rest; None at the end.")


class MemberEntry(Data):
    """A member."""

    name: str = Field(description="As queries name it.")
    kind: MemberKind = Field(description="measure, dimension or segment.")
    type: str | None = Field(default=None, description="number, string, time, boolean, ...")
    aggregation: str | None = Field(default=None, description="How a measure is aggregated.")
    title: str = Field(description="For people.")
    description: str = Field(default="", description="For people.")
    classification: tuple[str, ...] = Field(default=(), description="What its columns are, as in pii.")
    granularities: tuple[str, ...] = Field(default=(), description="The model's own, beside second to year.")


class EntityDescription(Data):
    """A cube or view, and its members."""

    name: str = Field(description="As queries name it.")
    kind: EntityKind = Field(description="view or cube.")
    title: str = Field(description="For people.")
    description: str = Field(default="", description="For people.")
    owner: str | None = Field(default=None, description="Who owns it.")
    dbt_unique_id: str | None = Field(default=None, description="The dbt model or exposure behind it.")
    joins_to: tuple[str, ...] = Field(default=(), description="Cubes whose members one query may name, too.")
    members: tuple[MemberEntry, ...] = Field(description="Measures, dimensions, segments.")
    total: int = Field(description="How many members there are, with those that are not in this answer.")
    next_offset: int | None = Field(default=None, description="Ask again with it for the rest; None at the end.")


class Column(Data):
    """A column of an answer."""

    member: str = Field(description="The member, with its granularity for a time dimension.")
    title: str = Field(description="For people.")
    type: str = Field(description="Cube's type; numbers may be text, so that they stay exact.")


class QueryAnswer(Data):
    """Rows."""

    columns: tuple[Column, ...] = Field(description="What each place of a row holds.")
    rows: tuple[tuple[Any, ...], ...] = Field(description="The rows.")
    row_count: int = Field(description="How many rows are in this answer.")
    cut: str | None = Field(default=None, description="Why there may be more rows than these; None if these are all.")
    next_offset: int | None = Field(default=None, description="Ask again with it for the next rows.")
    masked: tuple[str, ...] = Field(default=(), description="Members whose values are hidden from the caller.")
    limited_by: tuple[str, ...] = Field(
        default=(), description="Members that decide which rows the caller may see: there may be others' rows."
    )
    refreshed_at: str | None = Field(default=None, description="When Cube last looked at the data, ISO 8601.")


class Explanation(Data):
    """How Cube would answer a query."""

    sql: str | None = Field(description="The SQL; None where the query is denied.")
    parameters: tuple[Any, ...] = Field(default=(), description="What stands for the placeholders of the SQL.")
    denied: str | None = Field(default=None, description="Why the caller would get nothing; None if nothing is denied.")
    masked: tuple[str, ...] = Field(default=(), description="Members whose values are hidden from the caller.")
    limited_by: tuple[str, ...] = Field(default=(), description="Members that decide which rows the caller may see.")


class Page(Data):
    """Which rows of an answer are given."""

    rows: int = Field(description="The most.")
    capped: bool = Field(description="Whether the server's own limit decides that.")
    size: int = Field(description="The most characters of JSON that they may take.")
    offset: int = Field(description="Rows that are passed over.")


def list_entities(entities: Entities, search: str, limit: int, offset: int) -> EntityList:
    """The part of the list from `offset` on, of those whose name, title, description or members have the word."""
    word = search.strip().casefold()
    found = [entity for entity in entities.by_name.values() if not word or word in _searched(entity)]
    part = found[offset : offset + limit]
    return EntityList(
        entities=tuple(_line(entity) for entity in part),
        total=len(found),
        next_offset=_next(offset, len(part), len(found)),
    )


def describe_entity(entity: Entity, limit: int, offset: int) -> EntityDescription:
    """One cube or view with its members from `offset` on."""
    members = list(entity.members.values())
    part = members[offset : offset + limit]
    return EntityDescription(
        name=entity.name,
        kind=entity.kind,
        title=entity.title,
        description=entity.description[:_MOST_DESCRIPTION],
        owner=entity.owner,
        dbt_unique_id=entity.dbt_unique_id,
        joins_to=entity.joins_to,
        members=tuple(describe_member(member) for member in part),
        total=len(members),
        next_offset=_next(offset, len(part), len(members)),
    )


def describe_member(member: Member) -> MemberEntry:
    """One member."""
    return MemberEntry(
        name=member.name,
        kind=member.kind,
        type=member.type,
        aggregation=member.aggregation,
        title=member.title,
        description=member.description[:_MOST_DESCRIPTION],
        classification=member.classifications,
        granularities=member.granularities,
    )


def query_answer(loaded: Mapping[str, Any], effects: PolicyEffects, page: Page) -> QueryAnswer:
    """Cube's answer, cut to what was asked for and to what an answer may hold.

    Args:
        loaded: Cube's answer; it was asked for one row more than is given, to know whether there is one.
        effects: what the policies did.
        page: which rows are given.
    """
    found = [row for row in loaded.get("data") or () if isinstance(row, dict)]
    columns = _columns(loaded.get("annotation") or {}, found)
    rows = [tuple(row.get(column.member) for column in columns) for row in found[: page.rows]]
    fitting = _fitting(rows, page.size)
    return QueryAnswer(
        columns=columns,
        rows=tuple(rows[:fitting]),
        row_count=fitting,
        cut=_cut(len(found), fitting, page),
        next_offset=page.offset + fitting if fitting and len(found) > fitting else None,
        masked=effects.masked,
        limited_by=effects.limited_by,
        refreshed_at=loaded.get("lastRefreshTime"),
    )


def _cut(found: int, given: int, page: Page) -> str | None:
    if found <= given:
        return None
    if given < min(found, page.rows):
        return f"rows behind these would make the answer larger than {page.size:,} characters"
    if page.capped:
        return f"an answer has {page.rows:,} rows at most; better aggregate or filter than read on"
    return f"the limit of the query is {page.rows:,}"


def _fitting(rows: Sequence[tuple[Any, ...]], size: int) -> int:
    used = 0
    for number, row in enumerate(rows):
        used += len(json.dumps(row, ensure_ascii=False, default=str)) + 1
        if used > size:
            return number
    return len(rows)


def _columns(annotation: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> tuple[Column, ...]:
    """The columns that Cube annotates; a time without its granularity repeats the one with it, and is left out."""
    noted: dict[str, Mapping[str, Any]] = {}
    for part in ("dimensions", "timeDimensions", "measures"):
        noted |= {name: note for name, note in (annotation.get(part) or {}).items() if isinstance(note, dict)}
    present = set(rows[0]) if rows else set(noted)
    names = [name for name in noted if name in present and not _repeated(name, noted)]
    names += [name for name in sorted(present) if name not in noted and not _repeated(name, noted)]
    return tuple(_column(name, noted.get(name, {})) for name in names)


def _repeated(name: str, noted: Iterable[str]) -> bool:
    return name.count(".") == 1 and any(other.startswith(f"{name}.") for other in noted)


def _column(name: str, note: Mapping[str, Any]) -> Column:
    title = note.get("shortTitle") or note.get("title") or name
    return Column(member=name, title=str(title), type=str(note.get("type") or "string"))


def _line(entity: Entity) -> EntityLine:
    kinds = [member.kind for member in entity.members.values()]
    brief = " ".join(entity.description.split())
    return EntityLine(
        name=entity.name,
        kind=entity.kind,
        title=entity.title,
        description=brief if len(brief) <= _BRIEF else f"{brief[: _BRIEF - 1]}…",
        measures=kinds.count("measure"),
        dimensions=kinds.count("dimension"),
    )


def _searched(entity: Entity) -> str:
    texts = [entity.name, entity.title, entity.description]
    for member in entity.members.values():
        texts += [member.name, member.title, member.description]
    return "\n".join(texts).casefold()


def _next(offset: int, given: int, total: int) -> int | None:
    return offset + given if offset + given < total else None
