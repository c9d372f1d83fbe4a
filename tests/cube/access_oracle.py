"""What a caller may see, worked out without Cube and without floe's renderer: rows in memory, and the rules in Python.

The rules are those of the documentation: rows whose owner is the caller's claim; columns of a classification as the
environment's policy says, unless the caller has one of its roles; a member hides what any of its columns hides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb
from access_product import (  # found by the path that conftest.py adds
    COLUMNS,
    EXPRESSIONS,
    JOINS,
    KEYS,
    MEASURES,
    METRICS,
    OWNER_COLUMN,
    POLICIES,
    SCHEMA,
    VIEWED,
    statements,
)

MASK: Final = "[masked]"


@dataclass(frozen=True)
class _Value:
    """A value as it is, and as the caller sees it."""

    true: Any
    shown: Any


_Row = Mapping[str, _Value]


@dataclass(frozen=True)
class Caller:
    """Somebody who asks: whose rows he may see, and his roles."""

    owner: str
    roles: frozenset[str]


@dataclass(frozen=True)
class Filter:
    """A condition of a query on a member `table.name`."""

    member: str
    operator: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Question:
    """A query; members are `table.name`, wherever they are asked for.

    Attributes:
        place: asked of the cubes, of the view, or of both at once: the first dimension of the view, the rest of cubes.
        root: the table that the joins start at.
        order: a member and its direction.
    """

    place: str
    root: str
    dimensions: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    order: tuple[str, str] | None = None
    limit: int | None = None
    ungrouped: bool = False
    total: bool = False

    @property
    def members(self) -> tuple[str, ...]:
        """All that it speaks of and Cube looks at; Cube passes over an order by what is not selected."""
        ordered = [self.order[0]] if self.order and self.order[0] in (*self.dimensions, *self.measures) else []
        return (*self.dimensions, *self.measures, *(item.member for item in self.filters), *ordered)


class Truth:
    """The data, joined from each table on along all joins, with everything in it."""

    def __init__(self) -> None:
        self._rows: dict[str, list[dict[str, Any]]] = {}
        with duckdb.connect() as connection:
            for statement in statements():
                connection.execute(statement)
            for table in COLUMNS:
                self._rows[table] = _joined(connection, table)

    def rows(self, root: str) -> Sequence[Mapping[str, Any]]:
        """`root` left-joined to all that it leads to."""
        return self._rows[root]

    def values(self, root: str, member: str, owner: str) -> list[Any]:
        """The values of `member` in the rows of `owner`."""
        found = {row[member] for row in self._rows[root] if row[f"{root}.{OWNER_COLUMN}"] == owner}
        return sorted(value for value in found if value is not None)


def tables_from(root: str) -> tuple[str, ...]:
    """`root` and the tables that its joins lead to, the nearest first."""
    found = [root]
    for table in found:
        found += [target for source, _, target in JOINS if source == table]
    return tuple(found)


def columns_of(member: str) -> frozenset[str]:
    """The columns that a member is computed from."""
    table, _, name = member.partition(".")
    if name == "count":
        return frozenset({KEYS[table]})
    computed = {
        **{key: columns for key, (_, columns) in EXPRESSIONS.get(table, {}).items()},
        **{key: columns for key, (_, _, columns) in MEASURES.get(table, {}).items()},
        **METRICS.get(table, {}),
    }
    return computed.get(name, frozenset({name}))


def actions(environment: str, member: str, roles: Iterable[str] | None) -> set[str]:
    """What befalls `member` for somebody with these roles; with None, what could befall it at all."""
    table = member.partition(".")[0]
    classes = {name: classification for name, _, classification in COLUMNS[table]}
    found = set()
    for column in columns_of(member) - {OWNER_COLUMN}:
        action, cleared = POLICIES[environment].get(classes[column] or "", ("none", ()))
        if action == "none" or (roles is not None and set(roles) & set(cleared)):
            continue
        found.add("restrict" if action == "synthesize" or column == KEYS[table] else action)
    return found


def expected(truth: Truth, environment: str, caller: Caller, question: Question) -> list[tuple[Any, ...]] | None:
    """The rows of the answer, dimensions first, in no order; None if nothing may be answered."""
    joins = _joins_of(question)
    hidden = [member for join in joins for member in _hidden_keys(environment, caller, join)]
    if any(_is_denied(environment, caller, member, question) for member in (*question.members, *hidden)):
        return None
    touched = {question.root, *(target for _, _, target in joins)}
    rows = [
        {name: _Value(value, shown_value(environment, caller, name, value)) for name, value in row.items()}
        for row in truth.rows(question.root)
        if not hidden and all(row[f"{table}.{OWNER_COLUMN}"] == caller.owner for table in touched)
    ]
    filters = [item for item in question.filters if item.member not in question.measures]
    kept = [row for row in rows if all(_holds(row[item.member].shown, item) for item in filters)]
    answer = _grouped(environment, caller, question, kept)
    position = {name: index for index, name in enumerate((*question.dimensions, *question.measures))}
    return [
        row
        for row in answer
        if all(
            _holds(row[position[item.member]], item) for item in question.filters if item.member in question.measures
        )
    ]


def shown_value(environment: str, caller: Caller, member: str, value: Any) -> Any:
    """A dimension's value as the caller sees it."""
    if not actions(environment, member, caller.roles):
        return value
    possible = actions(environment, member, None)
    return MASK if is_text(member) and "mask" in possible and "redact" not in possible else None


def _joins_of(question: Question) -> list[tuple[str, str, str]]:
    """The joins from the root to all that the question speaks of."""
    used: list[tuple[str, str, str]] = []
    wanted = {member.partition(".")[0] for member in question.members} - {question.root}
    while wanted:
        table = wanted.pop()
        join = next(item for item in JOINS if item[2] == table)
        used.append(join)
        wanted |= {join[0]} - {question.root, *(target for _, _, target in used)}
    return used


def _hidden_keys(environment: str, caller: Caller, join: tuple[str, str, str]) -> list[str]:
    """The sides of a join that the caller may not see, unless whoever may not see one may not see the other."""
    source, column, target = join
    sides = (f"{source}.{column}", f"{target}.{KEYS[target]}")
    seen_by = [_cleared(environment, member) for member in sides]
    if seen_by[0] == seen_by[1]:
        return []
    return [member for member in sides if actions(environment, member, caller.roles)]


def _cleared(environment: str, column: str) -> tuple[str, ...] | None:
    """The roles that see a column as it is; None if everybody does."""
    table, _, name = column.partition(".")
    classification = next(found for column_name, _, found in COLUMNS[table] if column_name == name)
    action, roles = POLICIES[environment].get(classification or "", ("none", ()))
    return None if action == "none" else roles


def viewed(environment: str) -> tuple[str, ...]:
    """The tables in the view: those whose key is not hidden from anybody."""
    return tuple(table for table in VIEWED if not actions(environment, f"{table}.{KEYS[table]}", None))


def is_text(member: str) -> bool:
    """Whether a dimension holds text."""
    table, _, name = member.partition(".")
    return name in EXPRESSIONS.get(table, {}) or (name, "varchar") in {(c, kind) for c, kind, _ in COLUMNS[table]}


def _is_denied(environment: str, caller: Caller, member: str, question: Question) -> bool:
    if "restrict" not in actions(environment, member, caller.roles):
        return False
    # A cube that stands in a view shows null instead, for Cube would pass over a denial where the view is named, too.
    return question.place == "view" or member.partition(".")[0] not in viewed(environment)


def _grouped(environment: str, caller: Caller, question: Question, rows: list[_Row]) -> list[tuple[Any, ...]]:
    if question.ungrouped:
        return [tuple(row[name].shown for name in question.dimensions) for row in rows]
    groups: dict[tuple[Any, ...], list[_Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name].shown for name in question.dimensions), []).append(row)
    if not question.dimensions:
        groups.setdefault((), [])
    return [
        (*key, *(_measured(environment, caller, name, members) for name in question.measures))
        for key, members in groups.items()
    ]


def _measured(environment: str, caller: Caller, member: str, rows: list[_Row]) -> Any:
    if actions(environment, member, caller.roles):
        return None
    table, _, name = member.partition(".")
    key = f"{table}.{KEYS[table]}"
    own = list({row[key].true: row for row in rows if row[key].true is not None}.values())
    if name == "count":
        return len(own)
    values = {column: [row[f"{table}.{column}"].true for row in own] for column in columns_of(member)}
    return COMPUTED[table][name](values)


def _total(values: list[Any]) -> Any:
    return sum(values) if values else None


def _average_order(values: dict[str, list[Any]]) -> Any:
    return _total(values["amount"]) / len(set(values["customer_id"])) if values["amount"] else None


COMPUTED: Final[Mapping[str, Mapping[str, Callable[[dict[str, list[Any]]], Any]]]] = {
    "orders": {
        "revenue": lambda values: _total(values["amount"]),
        "revenue_": lambda values: _total(values["amount"]),
        "revenue_so_far": lambda values: _total(values["amount"]),
        "twice": lambda values: 2 * _total(values["amount"]) if values["amount"] else None,
        "largest": lambda values: max(values["amount"], default=None),
        "buyers": lambda values: len(set(values["customer_id"])),
        "orders_": lambda values: len(set(values["customer_id"])),
        "average_order": _average_order,
        "large_orders": lambda values: len(
            {buyer for buyer, amount in zip(values["customer_id"], values["amount"], strict=True) if amount > 400}
        ),
    },
    "customers": {
        "oldest": lambda values: max(values["age"], default=None),
        "emails": lambda values: len(set(values["email"])),
    },
    "payments": {
        "total_paid": lambda values: _total(values["paid"]),
        "cards": lambda values: len(set(values["card"])),
    },
}
"""table -> measure -> its value over the values of its columns."""


def _holds(value: Any, condition: Filter) -> bool:
    operator, values = condition.operator, condition.values
    if operator == "set":
        return value is not None
    if operator == "notSet":
        return value is None
    if operator == "notEquals":
        return value is None or value not in values
    if value is None:
        return False
    if operator == "equals":
        return value in values
    if operator == "contains":
        return any(str(item).lower() in str(value).lower() for item in values)
    if operator == "gt":
        return bool(value > values[0])
    assert operator == "afterDate", operator
    return str(value) > f"{values[0]} 23:59:59.999"


def _joined(connection: duckdb.DuckDBPyConnection, root: str) -> list[dict[str, Any]]:
    names, selected, joins = [], [], ""
    for table in tables_from(root):
        for name, sql in [(name, name) for name, _, _ in COLUMNS[table]]:
            names.append(f"{table}.{name}")
            selected.append(f"{table}.{sql}")
        for name, (sql, columns) in EXPRESSIONS.get(table, {}).items():
            names.append(f"{table}.{name}")
            for column in columns:
                sql = sql.replace(column, f"{table}.{column}")
            selected.append(sql)
        for source, column, target in JOINS:
            if source == table:
                joins += f" left join {SCHEMA}.{target} on {source}.{column} = {target}.{KEYS[target]}"
    found = connection.execute(f"select {', '.join(selected)} from {SCHEMA}.{root}{joins}").fetchall()
    return [dict(zip(names, row, strict=True)) for row in found]
