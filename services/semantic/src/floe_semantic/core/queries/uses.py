"""Which columns of which tables a query uses, and how."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from floe_contracts.openlineage.dataset_facets import input_field, transformation
from floe_semantic.core.queries.records import QueryRecord
from floe_semantic.core.queries.served_members import ServedCube, ServedMember, ServedView

InputField: TypeAlias = dict[str, Any]

_FILTER: Final = transformation("INDIRECT", "FILTER")
_JOIN: Final = transformation("INDIRECT", "JOIN")


@dataclass(frozen=True, slots=True)
class Relation:
    """What dbt's run calls the relation of a node, and its columns: casefolded -> as spelled there."""

    name: tuple[str, str]
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ServedBundle:
    """What is known of the bundle that served a query.

    Attributes:
        artifact_digest: the artifact that it was rendered from, if that is known.
        cubes: by name; those that the query may touch are there.
        views: by name, likewise.
        relations: by the unique id of the dbt node.
        dialect: of the warehouse.
    """

    artifact_digest: str | None
    cubes: Mapping[str, ServedCube]
    views: Mapping[str, ServedView]
    relations: Mapping[str, Relation]
    dialect: str


@dataclass(frozen=True, slots=True)
class Uses:
    """What a query reads.

    Attributes:
        relations: namespace and name of each, sorted.
        fields: by the members that its rows have, the columns that they are made of.
        whole: columns that decide on which rows there are.
    """

    relations: tuple[tuple[str, str], ...]
    fields: Mapping[str, tuple[InputField, ...]]
    whole: tuple[InputField, ...]


def uses_of(record: QueryRecord, bundle: ServedBundle) -> Uses:
    """What a query reads; members that the bundle does not have say nothing."""
    touched: dict[str, None] = {}
    for name in record.members:
        if found := _resolve(name, bundle):
            touched[found[0]] = None
    masked = {_member(name) for name in record.masked}
    joins = _joins(list(touched), bundle.cubes)
    for source, target in joins:
        touched |= {source: None, target: None}
    fields = {}
    for name in dict.fromkeys(record.shown):
        found = _resolve(_member(name), bundle)
        if found is not None:
            hidden = _member(name) in masked or ".".join(found) in masked
            fields[name] = tuple(_made_of(found, bundle, hidden=hidden, rounded=name != _member(name)))
    whole = [*_deciding(record.filtered, bundle), *_joining(joins, bundle)]
    names = (bundle.relations.get(bundle.cubes[cube].node_id) for cube in touched)
    return Uses(
        relations=tuple(sorted({relation.name for relation in names if relation is not None})),
        fields=fields,
        whole=tuple({repr(item): item for item in whole}.values()),
    )


def cubes_behind(names: Iterable[str], views: Mapping[str, ServedView]) -> set[str]:
    """The cubes that names of members speak of, those behind views instead of these."""
    found: set[str] = set()
    for name in names:
        first, _, member = name.partition(".")
        view = views.get(first)
        behind = view.find(member.partition(".")[0]) if view else (first, member)
        if behind is not None:
            found.add(behind[0])
    return found


def _member(name: str) -> str:
    """A member without its granularity."""
    return ".".join(name.split(".")[:2])


def _resolve(name: str, bundle: ServedBundle) -> tuple[str, str] | None:
    """The cube and the member that a name stands for."""
    first, _, rest = name.partition(".")
    member = rest.partition(".")[0]
    view = bundle.views.get(first)
    found = view.find(member) if view else (first, member)
    return found if found is not None and found[0] in bundle.cubes else None


def _columns(cube: str, columns: Iterable[str], bundle: ServedBundle, *how: Mapping[str, Any]) -> list[InputField]:
    relation = bundle.relations.get(bundle.cubes[cube].node_id)
    if relation is None:
        return []
    return [input_field(relation.name, relation.columns.get(column, column), *how) for column in columns]


def _made_of(found: tuple[str, str], bundle: ServedBundle, *, hidden: bool, rounded: bool) -> list[InputField]:
    cube, name = found
    member = bundle.cubes[cube].members.get(name)
    if member is None:
        return []
    how = transformation("DIRECT", _subtype(member, rounded=rounded), masking=hidden or member.counts)
    return _columns(cube, member.columns, bundle, how)


def _subtype(member: ServedMember, *, rounded: bool) -> str:
    if member.measure:
        return "AGGREGATION"
    return "IDENTITY" if member.plain and not rounded else "TRANSFORMATION"


def _deciding(names: Iterable[str], bundle: ServedBundle) -> list[InputField]:
    found = []
    for name in names:
        resolved = _resolve(name, bundle)
        member = bundle.cubes[resolved[0]].members.get(resolved[1]) if resolved else None
        if resolved is not None and member is not None:
            found += _columns(resolved[0], member.columns, bundle, _FILTER)
    return found


def _joining(joins: Iterable[tuple[str, str]], bundle: ServedBundle) -> list[InputField]:
    found = []
    for source, target in joins:
        join = bundle.cubes[source].joins[target]
        found += _columns(source, join.own, bundle, _JOIN) + _columns(target, join.other, bundle, _JOIN)
    return found


def _joins(wanted: list[str], cubes: Mapping[str, ServedCube]) -> list[tuple[str, str]]:
    """The joins on the shortest ways from one of the cubes to all others; none if no cube leads to all."""
    if len(wanted) < 2:
        return []
    for root in wanted:
        steps = _ways(root, cubes)
        if all(name in steps for name in wanted):
            taken: dict[tuple[str, str], None] = {}
            for name in wanted:
                while name != root:
                    taken[steps[name], name] = None
                    name = steps[name]
            return sorted(taken)
    return []


def _ways(root: str, cubes: Mapping[str, ServedCube]) -> dict[str, str]:
    """By each cube that joins lead to, the one before it."""
    steps = {root: root}
    queue = deque([root])
    while queue:
        name = queue.popleft()
        for target in sorted(cubes[name].joins):
            if target in cubes and target not in steps:
                steps[target] = name
                queue.append(target)
    return steps
