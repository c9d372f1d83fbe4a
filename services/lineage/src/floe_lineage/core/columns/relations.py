"""Relations: what a name in FROM stands for, with what each of its columns is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from floe_lineage.core.columns.uses import CHANGED, NOTHING, UNCHANGED, Dependencies, Dependency, Use, used_as


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a relation, or a field of a struct.

    Attributes:
        name: empty where SQL gives it none.
        dependencies: what it is made of.
        fields: those of a struct, or of each struct in a list, where SQL shows how it was put together.
    """

    name: str
    dependencies: Dependencies
    fields: tuple[Column, ...] = ()


@dataclass(frozen=True, slots=True)
class Rest:
    """What columns are that a relation has beside those that are known.

    Attributes:
        inputs: numbers of the inputs whose column of the same name it is.
        dependencies: what each of them is made of besides.
        excluded: names, in lower case, that are not among them.
        certain: whether it is known from which relation they come; of a join of several such relations it is not.
        described: the tables whose columns are not known, for people.
    """

    inputs: frozenset[int] = frozenset()
    dependencies: Dependencies = NOTHING
    excluded: frozenset[str] = frozenset()
    certain: bool = True
    described: tuple[str, ...] = ()

    def column(self, name: str) -> Dependencies:
        """What the column of that name is made of."""
        return self.dependencies | {Dependency(number, name, UNCHANGED) for number in self.inputs}


@dataclass(slots=True)
class Relation:
    """What SELECT, a table or a name in FROM gives.

    Attributes:
        columns: those that are known, in order.
        rest: what others are; None if there are no others.
        whole: what all its rows depend on.
    """

    columns: Sequence[Column]
    rest: Rest | None = None
    whole: Dependencies = NOTHING
    _exact: dict[str, Column] = field(default_factory=dict)
    _folded: dict[str, list[Column]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for column in self.columns:
            if column.name:
                self._exact.setdefault(column.name, column)
                self._folded.setdefault(column.name.lower(), []).append(column)

    def known(self, name: str) -> Column | None:
        """The column of that name: spelled so, or else the only one that is spelled so but for upper and lower case."""
        if column := self._exact.get(name):
            return column
        folded = self._folded.get(name.lower(), ())
        return folded[0] if len(folded) == 1 else None

    def may_have(self, name: str) -> bool:
        """Whether a column of that name may be among those that are not known."""
        return self.rest is not None and name.lower() not in self.rest.excluded


UNKNOWN: Final = Rest()
"""The columns of what is no input: they are made of nothing that is told."""


def all_dependencies(relation: Relation) -> Dependencies:
    """What its known columns are made of, all together."""
    return frozenset().union(*(column.dependencies for column in relation.columns), _fixed(relation.rest))


def field_of(column: Column, names: Sequence[str]) -> Column:
    """What `column.a.b` is: the field, or what the whole column is made of where its fields are not known."""
    found = column
    for name in names:
        field = next((one for one in found.fields if one.name.lower() == name.lower()), None)
        if field is None:
            found = Column(name, found.dependencies)
            break
        found = field
    return Column(found.name, used_as(CHANGED, found.dependencies), found.fields) if names else found


def made_through(use: Use, fields: Iterable[Column], besides: Dependencies = NOTHING) -> tuple[Column, ...]:
    """The fields of what is made of a struct with these `fields`, used as `use`; all depend on `besides`, too."""
    return tuple(
        Column(one.name, used_as(use, one.dependencies) | besides, made_through(use, one.fields, besides))
        for one in fields
    )


def renamed(relation: Relation, names: Sequence[str]) -> Relation:
    """The relation with other names for its first columns, as in `t (a, b)`."""
    if not names:
        return relation
    columns = list(relation.columns)
    if relation.rest is not None:
        columns += [Column("", relation.rest.dependencies)] * (len(names) - len(columns))
    given = [replace(column, name=name) for name, column in zip(names, columns, strict=False)]
    closed = relation.rest is None or len(names) >= len(relation.columns)
    return Relation(given + columns[len(given) :], None if closed else relation.rest, relation.whole)


def numbered(relation: Relation) -> Relation:
    """The relation with a name of its own for each column, as DuckDB gives them: the second `id` is `id_1`."""
    names = [column.name.lower() for column in relation.columns if column.name]
    if relation.rest is not None or len(set(names)) == len(names):
        return relation
    taken: set[str] = set()
    numbers: dict[str, int] = {}
    columns = []
    for column in relation.columns:
        name, first = column.name, column.name.lower()
        while name and name.lower() in taken:
            numbers[first] = numbers.get(first, 0) + 1
            name = f"{column.name}_{numbers[first]}"
        taken.add(name.lower())
        columns.append(replace(column, name=name))
    return Relation(columns, None, relation.whole)


def joined_rest(rests: Iterable[Rest | None]) -> Rest | None:
    """What the unknown columns of a join are."""
    found = [rest for rest in rests if rest is not None]
    if len(found) < 2:
        return found[0] if found else None
    told = tuple(name for rest in found for name in rest.described)
    return Rest(certain=False, described=told, excluded=frozenset.intersection(*(rest.excluded for rest in found)))


def united_rest(left: Rest | None, right: Rest | None) -> Rest | None:
    """What the unknown columns of a union are: those of both sides at once."""
    if left is None or right is None:
        return left or right
    return Rest(
        left.inputs | right.inputs,
        left.dependencies | right.dependencies,
        left.excluded | right.excluded,
        left.certain and right.certain,
        left.described + right.described,
    )


def _fixed(rest: Rest | None) -> Dependencies:
    return rest.dependencies if rest else NOTHING
