"""Column lineage against what DuckDB does: an output that changes with an input column depends on it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import pytest

from floe_lineage.core.columns.extraction import extract
from floe_lineage.core.columns.model import ColumnLineage, Statement, Table

TABLES = {"people": ("id", "x", "y"), "orders": ("id", "person_id", "amount")}
ROWS = 12
TRIES = 2
QUERIES = 3
Dependency = tuple[str, str, str]


@dataclass(frozen=True)
class Step:
    """A name that queries may use, and its columns."""

    name: str
    columns: tuple[str, ...]


def query(rng: random.Random) -> str:
    """Steps of WITH, each made of earlier ones or of the tables."""
    known = [Step(name, columns) for name, columns in TABLES.items()]
    written = []
    for number in range(rng.randint(1, 4)):
        made = rng.choice(MAKERS)
        sql, columns = made(rng, known)
        known.append(Step(f"s{number}", columns))
        written.append(f"s{number} as ({sql})")
    return f"with {', '.join(written)} select * from {known[-1].name}"


def step(rng: random.Random, known: list[Step]) -> Step:
    """The last ones more often: what is written shall be used."""
    return rng.choice([*known, *known[-2:]])


def expression(rng: random.Random, columns: list[str]) -> str:
    one, two, three = (rng.choice(columns) for _ in range(3))
    forms = [
        one,
        f"{one} + 2 * {two}",
        f"case when {one} > 1 then {two} else {three} end",
        f"coalesce(nullif({one}, 1), {two})",
        f"greatest({one}, {two})",
        f"if({one} = {two}, {three}, 0)",
        f"hash({one}) % 7",
        f"(select max(q.amount) from orders q where q.id > {one})",
        f"({one} in (select p.x from people p where p.y > 1))::int",
        f"exists (select 1 from people p where p.id = {one} and p.x > 0)::int",
    ]
    return rng.choice(forms)


def projected(rng: random.Random, known: list[Step]) -> tuple[str, tuple[str, ...]]:
    source = step(rng, known)
    columns = list(source.columns)
    items = [f"{expression(rng, columns)} as c{n}" for n in range(rng.randint(1, 3))]
    where = f" where {expression(rng, columns)} > 0" if rng.random() < 0.5 else ""
    return f"select {', '.join(items)} from {source.name}{where}", tuple(f"c{n}" for n in range(len(items)))


def starred(rng: random.Random, known: list[Step]) -> tuple[str, tuple[str, ...]]:
    source = step(rng, known)
    first = source.columns[0]
    replaced = expression(rng, list(source.columns))
    if len(source.columns) > 1 and rng.random() < 0.5:
        return f"select * exclude ({first}) from {source.name}", source.columns[1:]
    return f"select * replace ({replaced} as {first}) from {source.name}", source.columns


def grouped(rng: random.Random, known: list[Step]) -> tuple[str, tuple[str, ...]]:
    source = step(rng, known)
    key, one, two = (rng.choice(source.columns) for _ in range(3))
    total = rng.choice(["sum({})", "max({})", "count({})", "count(distinct {})"]).format(one)
    some = f"sum({one}) filter (where {two} > 1)"
    having = " having count(*) > 1" if rng.random() < 0.5 else ""
    return f"select {key} as k, {total} as t, {some} as f from {source.name} group by 1{having}", ("k", "t", "f")


def windowed(rng: random.Random, known: list[Step]) -> tuple[str, tuple[str, ...]]:
    source = step(rng, known)
    one, two, three = (rng.choice(source.columns) for _ in range(3))
    ranked = f"rank() over (partition by {one} order by {two})"
    qualified = f" qualify {ranked} < 3" if rng.random() < 0.5 else ""
    sql = (
        f"select {three} as a, {ranked} as r, sum({three}) over (partition by {two}) as w from {source.name}{qualified}"
    )
    return sql, ("a", "r", "w")


def joined(rng: random.Random, known: list[Step]) -> tuple[str, tuple[str, ...]]:
    left, right = step(rng, known), step(rng, known)
    on = f"l.{rng.choice(left.columns)} = r.{rng.choice(right.columns)}"
    kind = rng.choice(["join", "left join", "full join", "semi join", "anti join"])
    columns = [f"l.{name}" for name in left.columns]
    columns += [] if kind.startswith(("semi", "anti")) else [f"r.{name}" for name in right.columns]
    items = [f"{expression(rng, columns)} as c{n}" for n in range(2)]
    return f"select {', '.join(items)} from {left.name} l {kind} {right.name} r on {on}", ("c0", "c1")


def with_using(rng: random.Random, known: list[Step]) -> tuple[str, tuple[str, ...]]:
    kind = rng.choice(["join", "left join", "right join", "full join"])
    return f"select * from people {kind} orders using (id)", ("id", "x", "y", "person_id", "amount")


def united(rng: random.Random, known: list[Step]) -> tuple[str, tuple[str, ...]]:
    kind = rng.choice(["union all", "union", "except", "intersect"])
    left, right = (step(rng, known) for _ in range(2))
    sides = [
        f"select {expression(rng, list(side.columns))} as u, {rng.choice(side.columns)} as v from {side.name}"
        for side in (left, right)
    ]
    return f" {kind} ".join(sides), ("u", "v")


def distinct(rng: random.Random, known: list[Step]) -> tuple[str, tuple[str, ...]]:
    source = step(rng, known)
    one, two, three = (rng.choice(source.columns) for _ in range(3))
    on = rng.choice(["", f" on ({three}, {one}, {two})"])
    return f"select distinct{on} {one} as d, {two} as e from {source.name}", ("d", "e")


def packed(rng: random.Random, known: list[Step]) -> tuple[str, tuple[str, ...]]:
    source = step(rng, known)
    columns = list(source.columns)
    struct = f"{{'f': {expression(rng, columns)}, 'g': {{'h': {expression(rng, columns)}}}}}"
    if rng.random() < 0.5:
        latest = f"select max({struct}) as s from {source.name} group by {rng.choice(columns)}"
        return f"select s.f as p, s.g.h as q from ({latest})", ("p", "q")
    return f"select s.g.h as p, s.f as q from (select {struct} as s from {source.name})", ("p", "q")


MAKERS = [projected, starred, grouped, windowed, joined, with_using, united, distinct, packed]


@pytest.mark.parametrize("seed", range(40))
def test_what_changes_an_output_is_told(database: duckdb.DuckDBPyConnection, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 -- queries, and data for them
    for _ in range(QUERIES):
        sql = query(rng)
        assert_told(database, sql, rng)


@pytest.mark.parametrize(
    "sql",
    [
        "select * from people p join orders o on p.id = o.person_id",
        "select o.*, p.x as amount, p.* from people p left join orders o on p.x = o.amount",
        "with j as (select * from people p join orders o on p.id = o.person_id) select *, 1 as id from j",
        "select * exclude (id), id_1 as i from (select *, 2 as id_1 from people p join orders o on p.id = o.person_id)",
    ],
)
def test_columns_that_duckdb_numbers_are_told_under_their_numbers(
    database: duckdb.DuckDBPyConnection, sql: str
) -> None:
    rng = random.Random(1)  # noqa: S311 -- data
    whole = f"select * from ({sql})"
    empty = {name: [[0] * len(columns)] for name, columns in TABLES.items()}
    columns = tuple(outputs(database, whole, empty))

    lineage = assert_told(database, sql, rng, columns, run=whole)

    assert [name for name in columns if "_1" in name]
    assert tuple(lineage.fields) == columns
    assert all(len(made_of) <= 1 for made_of in lineage.fields.values())


def assert_told(
    database: duckdb.DuckDBPyConnection, sql: str, rng: random.Random, columns: tuple[str, ...] = (), run: str = ""
) -> ColumnLineage:
    lineage = extract(
        Statement(
            sql,
            "duckdb",
            tuple(Table("warehouse", name, columns, complete=True) for name, columns in TABLES.items()),
            Table("warehouse", "mart.result", columns, complete=bool(columns)),
        )
    )
    told = {(column, found.name, found.field) for column, inputs in lineage.fields.items() for found in inputs}
    told |= {(column, found.name, found.field) for column in lineage.fields for found in lineage.whole}

    assert lineage.unparsed is None
    assert lineage.unresolved == ()
    assert set(observed(database, run or sql, rng)) <= told, sql
    return lineage


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        yield connection


def observed(database: duckdb.DuckDBPyConnection, sql: str, rng: random.Random) -> Iterator[Dependency]:
    """Which output columns have other values when one column of one table has."""
    for _ in range(TRIES):
        data = {name: [[rng.randrange(4) for _ in columns] for _ in range(ROWS)] for name, columns in TABLES.items()}
        before = outputs(database, sql, data)
        for name, columns in TABLES.items():
            for place, column in enumerate(columns):
                rows = [
                    [rng.randrange(4) if at == place else value for at, value in enumerate(row)] for row in data[name]
                ]
                after = outputs(database, sql, data | {name: rows})
                yield from ((output, name, column) for output in before if before[output] != after[output])


def outputs(
    database: duckdb.DuckDBPyConnection, sql: str, data: dict[str, list[list[int]]]
) -> dict[str, list[tuple[bool, int]]]:
    """The values of each output column, in an order of their own."""
    for name, columns in TABLES.items():
        rows = ", ".join(f"({', '.join(map(str, row))})" for row in data[name])
        database.execute(f"create or replace temp table {name} as from (values {rows}) as t({', '.join(columns)})")
    found = database.execute(sql)
    names = [column[0] for column in found.description or ()]
    told = found.fetchall()
    return {name: sorted((row[at] is None, row[at] or 0) for row in told) for at, name in enumerate(names)}
