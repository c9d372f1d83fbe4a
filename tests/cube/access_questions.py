"""Everything that a caller might try on every member: read it, add it up, filter by it, order by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import chain, combinations
from typing import Any, Final

from access_oracle import (  # found by the path that conftest.py adds
    MASK,
    Caller,
    Filter,
    Question,
    Truth,
    actions,
    expected,
    is_text,
    tables_from,
    viewed,
)
from access_product import COLUMNS, EXPRESSIONS, KEYS, MEASURES, METRICS, OWNERS, POLICIES, VIEW, VIEWED
from cube_client import CubeAnswer

PLACES: Final = (
    *(("cube", table) for table in COLUMNS),
    ("join", "orders"),
    ("join", "customers"),
    ("view", "orders"),
    ("mixed", "orders"),
)
_TIMES: Final = {f"{t}.{name}" for t, columns in COLUMNS.items() for name, kind, _ in columns if kind == "timestamp"}


def callers(environment: str) -> tuple[Caller, ...]:
    """Both owners with every set of the roles that the environment's policies name, and somebody who owns nothing."""
    roles = sorted({role for _, cleared in POLICIES[environment].values() for role in cleared})
    sets = list(chain.from_iterable(combinations(roles, size) for size in range(len(roles) + 1)))
    return (
        *(Caller(owner, frozenset(chosen)) for owner in OWNERS for chosen in sets),
        Caller("initech", frozenset(roles)),
        Caller(OWNERS[0], frozenset({"another role"})),
    )


def questions(truth: Truth, environment: str) -> Iterator[tuple[str, Question]]:
    """What is asked of every place, with the kind of it."""
    for place, root in PLACES:
        if place in ("view", "mixed") and not viewed(environment):
            continue
        tables = (root,) if place == "cube" else tables_from(root)
        asked = Question("cube" if place == "join" else place, root, (f"{root}.{KEYS[root]}",))
        for table in tables:
            if place == "join" and table == root:
                continue
            for member in _dimensions(table):
                for kind, question in _about_dimension(truth, asked, member):
                    yield f"{place} {kind}", question
            for member in _measures(table):
                for kind, question in _about_measure(asked, member):
                    yield f"{place} {kind}", question


def _dimensions(table: str) -> tuple[str, ...]:
    return tuple(f"{table}.{name}" for name in (*(name for name, _, _ in COLUMNS[table]), *EXPRESSIONS.get(table, {})))


def _measures(table: str) -> tuple[str, ...]:
    return tuple(f"{table}.{name}" for name in ("count", *MEASURES.get(table, {}), *METRICS.get(table, {})))


def _about_dimension(truth: Truth, asked: Question, member: str) -> Iterator[tuple[str, Question]]:
    read = replace(asked, dimensions=tuple(dict.fromkeys((*asked.dimensions, member))))
    yield "plain", read
    yield "ungrouped", replace(read, ungrouped=True)
    yield "total", replace(read, total=True)
    yield (
        "aggregate",
        replace(asked, dimensions=tuple(dict.fromkeys((*_anchor(asked), member))), measures=(_count(asked),)),
    )
    yield "order up", replace(read, order=(member, "asc"))
    yield "order down", replace(read, order=(member, "desc"))
    yield "order unselected", replace(asked, order=(member, "desc"))
    for owner in OWNERS:
        for value in truth.values(asked.root, member, owner)[:1]:
            for condition in _conditions(member, value):
                yield "filter", replace(asked, filters=(condition,))
                yield (
                    "filter aggregate",
                    replace(asked, dimensions=_anchor(asked), measures=(_count(asked),), filters=(condition,)),
                )
    for condition in (Filter(member, "set"), Filter(member, "notSet"), *_on_mask(member)):
        yield "filter", replace(asked, filters=(condition,))


def _about_measure(asked: Question, member: str) -> Iterator[tuple[str, Question]]:
    # A measure of another cube alone would be no join.
    alone = asked.place == "view" or (asked.place == "cube" and member.startswith(f"{asked.root}."))
    read = replace(asked, dimensions=() if alone else asked.dimensions, measures=(member,))
    yield "aggregate", read
    if alone:
        yield "aggregate", replace(asked, measures=(member,))
    yield "total", replace(read, total=True)
    yield "order up", replace(read, order=(member, "asc"))
    yield "order down", replace(read, order=(member, "desc"))
    for value in (0, 40):
        yield "filter", replace(read, filters=(Filter(member, "gt", (value,)),))


def _anchor(asked: Question) -> tuple[str, ...]:
    # A query that is to be of both needs a member of the view.
    return asked.dimensions if asked.place == "mixed" else ()


def _count(asked: Question) -> str:
    return f"{asked.root}.count"


def _conditions(member: str, value: Any) -> tuple[Filter, ...]:
    if member in _TIMES:
        return (Filter(member, "afterDate", ("1975-01-01",)),)
    if isinstance(value, str):
        return (
            Filter(member, "equals", (value,)),
            Filter(member, "notEquals", (value,)),
            Filter(member, "contains", (value[:4],)),
        )
    return Filter(member, "equals", (value,)), Filter(member, "notEquals", (value,)), Filter(member, "gt", (value,))


def _on_mask(member: str) -> tuple[Filter, ...]:
    return (Filter(member, "equals", (MASK,)),) if is_text(member) else ()


def cube_query(question: Question) -> dict[str, Any]:
    """The question in Cube's words."""

    def named(member: str, index: int = 1) -> str:
        table, _, name = member.partition(".")
        if question.place == "cube" or (question.place == "mixed" and index > 0):
            return member
        return f"{VIEW}.{name if table == VIEWED[0] else f'{table}_{name}'}"

    query: dict[str, Any] = {
        "dimensions": [named(member, index) for index, member in enumerate(question.dimensions)],
        "measures": [named(member) for member in question.measures],
        "filters": [
            {
                "member": named(item.member),
                "operator": item.operator,
                **({"values": [str(v) for v in item.values]} if item.values else {}),
            }
            for item in question.filters
        ],
        "timezone": "UTC",
    }
    if question.order:
        member, direction = question.order
        index = question.dimensions.index(member) if member in question.dimensions else 1
        query["order"] = [[named(member, index), direction]]
    for option in ("ungrouped", "total"):
        if getattr(question, option):
            query[option] = True
    return query


@dataclass(frozen=True)
class Verdict:
    """How an answer compares with what the oracle says: leak, wrong denial, or neither."""

    fault: str | None
    told: str = ""


def judged(truth: Truth, environment: str, caller: Caller, question: Question, answer: CubeAnswer) -> Verdict:
    """Whether the answer tells no more and no less than it may."""
    wanted = expected(truth, environment, caller, question)
    told = f"{environment} {caller} {question}: {answer.status} {str(answer.body)[:600]}, expected {wanted}"
    if wanted is None:
        rows = answer.body.get("data", []) if answer.status == 200 else []
        leaks = any(value not in (None, 0, "0") for row in rows for value in row.values())
        return Verdict("leak" if leaks else None, told)
    if answer.status != 200:
        return Verdict("wrong denial", told)
    names = (*cube_query(question)["dimensions"], *cube_query(question)["measures"])
    found = [tuple(_plain(row[name]) for name in names) for row in answer.body["data"]]
    plain = [tuple(map(_plain, row)) for row in wanted]
    if not question.dimensions and set(found) == {(None,)} == set(plain):
        # Of a hidden measure alone, Cube says null once for each row.
        return Verdict(None)
    if Counter(found) != Counter(plain):
        return Verdict("leak" if Counter(found) - Counter(plain) else "wrong denial", told)
    if question.total and int(answer.body["total"]) != len(plain):
        return Verdict("leak", f"{answer.body['total']} rows in total: {told}")
    return Verdict("leak" if _is_ordered_by_secret(truth, environment, caller, question, found) else None, told)


def _is_ordered_by_secret(
    truth: Truth, environment: str, caller: Caller, question: Question, found: Sequence[tuple[Any, ...]]
) -> bool:
    """Whether the rows stand in the order of what the caller must not see, one way or the other."""
    if question.order is None or len(question.dimensions) < 2 or len(found) < 3:
        return False
    member, direction = question.order
    if not actions(environment, member, caller.roles):
        return False
    true = {_plain(row[question.dimensions[0]]): row[member] for row in truth.rows(question.root)}
    values = [true[row[0]] for row in found]
    keys = [row[0] for row in found]
    # Rows that are told apart by nothing may come by their key.
    return values == sorted(values, reverse=direction == "desc") and keys not in (
        sorted(keys),
        sorted(keys, reverse=True),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return round(float(value), 6)
    try:
        return round(float(value), 6)
    except (TypeError, ValueError):
        return value
