"""What column lineage does with SQL that is large, wrong, or speaks of what nobody knows."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from floe_lineage.core.columns.cache import cache_key
from floe_lineage.core.columns.extraction import MOST_CHARACTERS, MOST_TOLD, extract
from floe_lineage.core.columns.model import ColumnLineage, InputField, Statement, Table, Transformation

PEOPLE = Table("warehouse", "shop.raw.people", ("id", "email"), complete=True)
RESULT = Table("warehouse", "shop.mart.result")
IDENTITY = Transformation("DIRECT", "IDENTITY")
WORDS = """
    select from where group by order having union all except join left using on with recursive as insert into create
    table merge when matched then update set values pivot unpivot for in exists case end over partition qualify window
    lateral unnest distinct exclude replace limit null not and or between like cast ( ) ( ) , , . * = < > - + || :: -> ;
    -- /* */ [ ] { } ' " ` $$ $1 @x ? {{ }} shop.raw.people people p id email 1 'a' "Id" `id` count(*) md5(email) p.id
    p.*
""".split()  # noqa: SIM905 -- a list of so many words is no easier to read


def statement(sql: str, dialect: str | None = "duckdb", *, inputs: tuple[Table, ...] = (PEOPLE,)) -> Statement:
    return Statement(sql, dialect, inputs, RESULT)


@given(
    sql=st.one_of(
        st.text(max_size=80),
        st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join),
        st.lists(st.sampled_from(WORDS), max_size=12).map(lambda words: f"select {' '.join(words)} from people p"),
    ),
    dialect=st.sampled_from(
        [None, "", "duckdb", "snowflake", "bigquery", "postgres", "spark", "tsql", "no such dialect"]
    ),
)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_comes_there_is_an_answer(sql: str, dialect: str | None) -> None:
    lineage = extract(statement(sql, dialect))

    assert isinstance(lineage, ColumnLineage)
    told = [*lineage.whole, *(found for inputs in lineage.fields.values() for found in inputs)]
    assert {(found.namespace, found.name) for found in told} <= {(PEOPLE.namespace, PEOPLE.name)}
    assert {found.field for found in told} <= set(PEOPLE.columns)
    assert not (lineage.unparsed and told)


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("", "nothing in the SQL writes the table"),
        ("-- nothing", "nothing in the SQL writes the table"),
        ("drop table people; set x = 1", "nothing in the SQL writes the table"),
        ("selec id from people", "not understood"),
        ("select id from people where (", "not understood"),
        ("create table shop.mart.result something else as select 1", "CREATE is not understood"),
        ("select " + "(" * 20_000 + "1" + ")" * 20_000, "nested too deeply"),
        ("select " + "not " * 20_000 + "true", "nested too deeply"),
        ("select " + "f(" * 20_000 + "id" + ")" * 20_000, "nested too deeply"),
        ("select '" + "x" * MOST_CHARACTERS + "'", "longer than"),
    ],
    ids=["empty", "comment", "no-query", "typo", "open", "syntax", "brackets", "nots", "calls", "long"],
)
def test_sql_that_tells_nothing_says_why(sql: str, reason: str) -> None:
    lineage = extract(statement(sql))

    assert lineage.unparsed is not None
    assert reason in lineage.unparsed
    assert (lineage.fields, lineage.whole) == ({}, ())


def test_a_query_that_doubles_its_columns_again_and_again_is_given_up() -> None:
    steps = [f"t{n} as (select a.*, b.* from t{n - 1} a cross join t{n - 1} b)" for n in range(1, 60)]

    lineage = extract(statement(f"with t0 as (select * from people), {', '.join(steps)} select * from t59"))

    assert lineage.unparsed is not None
    assert "steps" in lineage.unparsed


def test_columns_that_are_all_made_of_all_are_given_up() -> None:
    wide = Table("warehouse", "shop.raw.wide", tuple(f"c{n}" for n in range(200)), complete=True)
    items = ", ".join(f"hash(w.*) as h{n}" for n in range(200))

    lineage = extract(statement(f"select {items} from wide w", inputs=(wide,)))

    assert MOST_TOLD < 200 * 200
    assert lineage == ColumnLineage(unparsed=f"the columns are made of more than {MOST_TOLD} others in all")


def test_long_chains_and_wide_tables_are_read() -> None:
    wide = Table("warehouse", "shop.raw.wide", tuple(f"c{n}" for n in range(2000)), complete=True)
    unions = " union all ".join(["select * from wide"] * 50)
    chain = " + ".join(f"c{n}" for n in range(2000))

    started = time.process_time()
    lineage = extract(statement(f"with u as ({unions}) select *, {chain} as total from u", inputs=(wide,)))

    assert lineage.unparsed is None
    assert len(lineage.fields) == 2001
    assert len(lineage.fields["total"]) == 2000
    assert time.process_time() - started < 60


def test_steps_that_build_on_each_other_are_read_once() -> None:
    steps = [f"t{n} as (select a.id, b.email from t{n - 1} a join t{n - 1} b using (id))" for n in range(1, 80)]

    lineage = extract(statement(f"with t0 as (select * from people), {', '.join(steps)} select * from t79"))

    assert lineage.fields["email"] == (InputField("warehouse", PEOPLE.name, "email", (IDENTITY,)),)


def test_a_name_that_fits_two_inputs_is_not_guessed() -> None:
    other = replace(PEOPLE, name="shop.old.people")

    lineage = extract(statement("select id from people", inputs=(PEOPLE, other)))

    assert lineage.fields == {"id": ()}
    assert lineage.unresolved == ("the name people fits several inputs",)


def test_a_table_is_found_by_another_name_of_it() -> None:
    stored = replace(PEOPLE, namespace="file", name="/lake/people", aliases=("spark_catalog.raw.people",))

    lineage = extract(statement("select id from raw.people", "spark", inputs=(stored,)))

    assert lineage.fields["id"] == (InputField("file", "/lake/people", "id", (IDENTITY,)),)


def test_a_whole_name_goes_before_a_tail() -> None:
    inner = replace(PEOPLE, name="raw.people")

    lineage = extract(statement("select id from raw.people", inputs=(PEOPLE, inner)))

    assert [found.name for found in lineage.fields["id"]] == ["raw.people"]


def test_columns_have_the_output_s_spelling_and_only_its_names() -> None:
    output = Table("warehouse", "shop.mart.result", ("Id", "Mail"), complete=True)

    lineage = extract(Statement("select id, email as MAIL, 1 as gone from people", "duckdb", (PEOPLE,), output))

    assert list(lineage.fields) == ["Id", "Mail"]


def test_columns_without_a_name_get_the_output_s_by_their_place() -> None:
    output = Table("warehouse", "shop.mart.result", ("id", "count_star()", "lower(email)"), complete=True)

    lineage = extract(
        Statement("select id, count(*), lower(email) from people group by all", "duckdb", (PEOPLE,), output)
    )

    assert list(lineage.fields) == ["id", "count_star()", "lower(email)"]
    assert [found.field for found in lineage.fields["lower(email)"]] == ["email"]


@pytest.mark.parametrize(
    ("namespace", "sql"),
    [
        ("snowflake://org-account", "select id, body:email::string as email from people"),
        ("bigquery", "select id, body.email from `shop.raw.people`"),
        ("postgres://db:5432", "select id, body ->> 'email' as email from people"),
        ("mssql://db:1433", "select id, json_value([body], '$.email') as email from [raw].[people]"),
        ("file", "select id, upper(body) as email from people"),
    ],
)
def test_sql_of_no_dialect_is_that_of_the_warehouse(namespace: str, sql: str) -> None:
    people = Table(namespace, "shop.raw.people", ("id", "body"), complete=True)

    lineage = extract(Statement(sql, None, (people,), Table(namespace, "shop.mart.people")))

    assert [found.field for inputs in lineage.fields.values() for found in inputs] == ["id", "body"]


def test_of_a_script_only_what_writes_the_table_counts() -> None:
    sql = "create table {0}.other as select email from people; create table {0}.result as select id from people"

    assert list(extract(statement(sql.format("shop.mart"))).fields) == ["id"]


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("create table new as select id from people; drop table result; alter table new rename to result", ["id"]),
        ("create table result__dbt_tmp as select id from people; insert into log select email from people", ["id"]),
        ("insert into log select id from people; insert into audit select email from people", []),
        ("create table results as select id from people; insert into audit select email from people", []),
        ("create table result something else as select id from people; insert into log select id from people", []),
    ],
    ids=["only", "of-dbt", "others", "like-it", "not-read"],
)
def test_what_another_table_is_made_of_is_not_told(sql: str, columns: list[str]) -> None:
    lineage = extract(statement(sql))

    assert list(lineage.fields) == columns
    assert (lineage.unparsed is None) is bool(columns)


def test_a_constant_is_told_to_be_made_of_nothing() -> None:
    lineage = extract(statement("select id, 1 as one from people"))

    assert lineage.fields["one"] == ()
    assert lineage.unresolved == ()


def test_the_key_names_all_that_the_result_depends_on() -> None:
    asked = statement("select id from people")
    others = [
        replace(asked, sql="select email from people"),
        replace(asked, dialect="postgres"),
        replace(asked, dialect=None),
        replace(asked, inputs=(replace(PEOPLE, columns=("id",)),)),
        replace(asked, inputs=(replace(PEOPLE, complete=False),)),
        replace(asked, inputs=(replace(PEOPLE, aliases=("people",)),)),
        replace(asked, output=replace(RESULT, columns=("id",))),
        replace(asked, output=replace(RESULT, name="other")),
    ]

    assert cache_key(asked) == cache_key(statement("select id from people"))
    assert len({cache_key(one) for one in [asked, *others]}) == len(others) + 1
