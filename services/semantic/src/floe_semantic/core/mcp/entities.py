"""The cubes and views that one caller may see, read from Cube's answer to `/v1/meta`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from floe_contracts.suggestions import did_you_mean
from floe_semantic.core.mcp.errors import AnswerUnusable, NameUnknown

EntityKind: TypeAlias = Literal["view", "cube"]
MemberKind: TypeAlias = Literal["measure", "dimension", "segment"]
_LISTS: Final[tuple[tuple[MemberKind, str], ...]] = (
    ("measure", "measures"),
    ("dimension", "dimensions"),
    ("segment", "segments"),
)


@dataclass(frozen=True, slots=True)
class Member:
    """A measure, dimension or segment.

    Attributes:
        name: `<cube or view>.<member>`.
        kind: which of the three.
        type: Cube's type of its values; of a segment none.
        aggregation: how a measure is aggregated, as in `sum`.
        title: for people.
        description: for people, empty without one.
        stands_for: the cube's member that a view's one is; None on a cube.
        granularities: those of a time dimension that the model defines beside Cube's own.
        columns: columns of the dbt model that it is computed from, as floe has rendered them.
        classifications: what the owner says these columns are, as in `pii`.
        dbt_unique_id: the dbt node that defines it, where it is not the model itself.
    """

    name: str
    kind: MemberKind
    type: str | None
    aggregation: str | None
    title: str
    description: str
    stands_for: str | None
    granularities: tuple[str, ...]
    columns: tuple[str, ...]
    classifications: tuple[str, ...]
    dbt_unique_id: str | None


@dataclass(frozen=True, slots=True)
class Entity:
    """A cube or a view.

    Attributes:
        name: as queries name it.
        kind: which of the two.
        title: for people.
        description: for people, empty without one.
        dbt_unique_id: the dbt model, or the exposure, that it was rendered from.
        owner: who owns that.
        joins_to: cubes whose members a query may name beside this one's.
        members: by name, measures first.
    """

    name: str
    kind: EntityKind
    title: str
    description: str
    dbt_unique_id: str | None
    owner: str | None
    joins_to: tuple[str, ...]
    members: Mapping[str, Member]


@dataclass(frozen=True, slots=True)
class Entities:
    """All that one caller may see: views first, then cubes, each by name."""

    by_name: Mapping[str, Entity]

    def entity(self, name: str) -> Entity:
        """The cube or view of that name.

        Raises:
            NameUnknown: the caller sees none.
        """
        found = self.by_name.get(name)
        if found is None:
            raise NameUnknown(
                f"{name!r} is no cube or view that you may see",
                hint=did_you_mean(name, self.by_name) or "the tool list names all of them",
            )
        return found

    def member(self, name: str) -> Member | None:
        """The member of that name, if the caller sees it."""
        entity = self.by_name.get(name.partition(".")[0])
        return entity.members.get(name) if entity else None

    def members(self) -> Iterator[Member]:
        """Every member, those of views first."""
        for entity in self.by_name.values():
            yield from entity.members.values()

    def meant(self, name: str) -> str:
        """What a name that nobody has may have been meant for, as a question; empty where nothing is near."""
        entity, dot, member = name.partition(".")
        if not dot:
            same = [known.name for known in self.members() if known.name.partition(".")[2] == entity]
            return did_you_mean(same[0], same[:1]) if same else did_you_mean(name, self.by_name)
        if entity not in self.by_name:
            close = did_you_mean(name, (known.name for known in self.members()))
            return close or did_you_mean(entity, self.by_name)
        short = {known.partition(".")[2]: known for known in self.by_name[entity].members}
        near = did_you_mean(member, short)
        return near.replace("'", f"'{entity}.", 1) if near else ""


def read_meta(document: object) -> Entities:
    """The cubes and views of Cube's answer.

    Raises:
        AnswerUnusable: it is no answer to `/v1/meta`.
    """
    listed = document.get("cubes") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise AnswerUnusable("what answers to /v1/meta is not Cube", hint="look at the address of Cube")
    found = [_entity(item) for item in listed if isinstance(item, dict) and isinstance(item.get("name"), str)]
    found.sort(key=lambda entity: (entity.kind == "cube", entity.name))
    return Entities({entity.name: entity for entity in found})


def _entity(item: Mapping[str, Any]) -> Entity:
    told = _told(item)
    members = [
        _member(kind, member)
        for kind, key in _LISTS
        for member in item.get(key) or ()
        if isinstance(member, dict) and isinstance(member.get("name"), str)
    ]
    return Entity(
        name=item["name"],
        kind="view" if item.get("type") == "view" else "cube",
        title=str(item.get("title") or item["name"]),
        description=str(item.get("description") or ""),
        dbt_unique_id=_text(told.get("dbt_unique_id")),
        owner=_text(told.get("owner")),
        joins_to=_texts(told.get("joins_to")),
        members={member.name: member for member in members},
    )


def _member(kind: MemberKind, item: Mapping[str, Any]) -> Member:
    told = _told(item)
    granularities = item.get("granularities") or ()
    return Member(
        name=item["name"],
        kind=kind,
        type=_text(item.get("type")) if kind != "segment" else None,
        aggregation=_text(item.get("aggType")) if kind == "measure" else None,
        title=str(item.get("shortTitle") or item.get("title") or item["name"]),
        description=str(item.get("description") or ""),
        stands_for=_text(item.get("aliasMember")),
        granularities=tuple(str(each["name"]) for each in granularities if isinstance(each, dict) and "name" in each),
        columns=_texts(told.get("columns")),
        classifications=_texts(told.get("classification")),
        dbt_unique_id=_text(told.get("dbt_unique_id")),
    )


def _told(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """What floe has written into `meta.floe`; nothing for what somebody else has rendered."""
    meta = item.get("meta")
    told = meta.get("floe") if isinstance(meta, dict) else None
    return told if isinstance(told, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
