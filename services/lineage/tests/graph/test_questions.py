"""What can be asked of the graph: names, both ways, impact, columns."""

from __future__ import annotations

import pytest

from floe_contracts.lineage_requests import ANYWHERE, ReadColumn, ReadGraph
from floe_contracts.openlineage.naming import Place
from floe_lineage.core.graph import columns_read, walking
from floe_lineage.core.graph.walking import read_graph
from floe_lineage.errors import ColumnUnknown, NameAmbiguous, NameUnknown

from .graph_events import ORDERS, WAREHOUSE, Memory, run, table

ICEBERG = "iceberg://default/dev"


@pytest.fixture
def shop(memory: Memory) -> Memory:
    """raw -> staging -> mart -> landed, a test of the mart, and a job that says nothing of columns."""
    staging = table("o.main.stg", "email", "id", made_of={"email": [("o.raw.r", "email")], "id": [("o.raw.r", "id")]})
    mart = table(
        "o.main.mart",
        "email",
        "n",
        made_of={"email": [("o.main.stg", "email")], "n": []},
        whole=[("o.main.stg", "id", "JOIN")],
    )
    landed = table("default.dev.o.main.mart", "email", "n", namespace=ICEBERG)
    read_back = table("default.dev.o.main.mart", namespace=ICEBERG)
    landing = {"jobType": {"jobType": "LANDING", "integration": "FLOE"}}
    memory.hear(
        run("o.model.o.stg", reads=[table("o.raw.r", "email", "id", said={"email": "pii"})], writes=[staging]),
        run("o.model.o.mart", reads=[table("o.main.stg")], writes=[mart]),
        run("o.test.o.unique_mart", reads=[table("o.main.mart")]),
        run("o.land.default.dev.o.main.mart", reads=[table("o.main.mart")], writes=[landed], **landing),
        run(
            "o.python.report",
            reads=[read_back],
            writes=[table("o.main.report")],
        ),
    )
    return memory


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("o.main.stg", "o.main.stg"),
        ("main.stg", "o.main.stg"),
        ("stg", "o.main.stg"),
        ("STG", "o.main.stg"),
        ("duckdb://default.dev.orders o.main.mart", "o.main.mart"),
        ("o.main.mart", "o.main.mart"),
        ("main.mart", "default.dev.o.main.mart"),
        ("mart", "default.dev.o.main.mart"),
    ],
)
def test_a_dataset_is_found_by_its_name_or_a_tail_of_it(shop: Memory, name: str, found: str) -> None:
    seen = shop.seen()
    assert seen.graph.datasets[seen.dataset(name)].name == found


def test_of_the_jobs_of_a_table_the_one_that_makes_it_is_meant(shop: Memory) -> None:
    seen = shop.seen()
    assert seen.graph.jobs[seen.job("mart")].name == "o.model.o.mart"
    assert seen.graph.jobs[seen.job("o.land.default.dev.o.main.mart")].type == "LANDING"


def test_a_name_that_is_not_known_has_its_nearest_as_a_hint(shop: Memory) -> None:
    with pytest.raises(NameUnknown) as failure:
        shop.seen().dataset("marts")
    assert "'mart'" in (failure.value.hint or "")
    with pytest.raises(NameUnknown):
        shop.seen("prod").dataset("stg")


def test_a_hint_names_nothing_that_is_not_shown(shop: Memory) -> None:
    shop.hear(run("load", writes=[table("o.main.secret_merger")]))
    shop.hear(run("load", writes=[table("o.main.sales")]), place=Place("default", "prod", "o"))
    hints = {}
    for environment in ("dev", "prod", ANYWHERE):
        with pytest.raises(NameUnknown) as failure:
            shop.seen(environment).dataset("secret_merge")
        hints[environment] = "secret_merger" in (failure.value.hint or "")
    assert hints == {"dev": True, "prod": False, ANYWHERE: True}


def test_what_another_environment_told_last_is_left_out(memory: Memory) -> None:
    memory.hear(run("load", writes=[table("t")]), place=Place("default", "prod", "sales"))
    memory.hear(run("load", writes=[table("t")], number=2, at="2026-01-02T00:00:00Z"))
    told = {}
    for environment in ("dev", "prod", ANYWHERE):
        answer = read_graph(memory.seen(environment), ReadGraph(dataset="t"))
        told[environment] = {(each.environment, each.product, each.last_run is not None) for each in answer.nodes}
    last = {("dev", ORDERS.product, True)}
    assert told == {"dev": last, "prod": {(None, None, False)}, ANYWHERE: last}


def test_a_name_that_several_have_is_refused_with_all_of_them(shop: Memory) -> None:
    shop.hear(run("x", writes=[table("other.stg", namespace="postgres://a:1")]))
    with pytest.raises(NameAmbiguous) as failure:
        shop.seen().dataset("stg")
    assert "postgres://a:1 other.stg" in failure.value.message
    assert shop.graph(dataset="postgres://a:1 other.stg", depth=1)[0] == (0, "other.stg")


def test_the_graph_goes_both_ways_and_as_deep_as_asked(shop: Memory) -> None:
    assert shop.graph(dataset="o.main.mart", depth=1) == [
        (0, "o.main.mart"),
        (1, "o.land.default.dev.o.main.mart"),
        (1, "o.model.o.mart"),
        (1, "o.test.o.unique_mart"),
        (2, "default.dev.o.main.mart"),
        (2, "o.main.stg"),
    ]
    assert shop.graph(dataset="stg", direction="upstream") == [(0, "o.main.stg"), (1, "o.model.o.stg"), (2, "o.raw.r")]
    assert shop.graph(job="o.model.o.stg", direction="downstream", depth=1) == [(0, "o.model.o.stg"), (1, "o.main.stg")]


def test_columns_and_what_they_are_come_with_the_graph(shop: Memory) -> None:
    answer = read_graph(shop.seen(), ReadGraph(dataset="o.main.mart", direction="upstream", columns=True))
    (root,) = [node for node in answer.nodes if node.distance == 0]
    assert [(field.name, field.classification, field.derived) for field in root.fields] == [
        ("email", None, "pii"),
        ("n", None, None),
    ]
    assert {(edge.source_field, edge.target_field, edge.type) for edge in answer.column_edges} == {
        ("email", "email", "DIRECT"),
        ("id", "id", "DIRECT"),
        ("id", "", "INDIRECT"),
    }


def test_a_column_reaches_what_is_made_of_it_and_maybe_what_nobody_knows_of(shop: Memory) -> None:
    assert shop.impact("raw.r", "email") == {
        "o.model.o.stg": ((), False, True),
        "o.main.stg": (("email",), False, True),
        "o.model.o.mart": ((), False, True),
        "o.main.mart": (("email",), False, True),
        "o.test.o.unique_mart": ((), False, False),
        "o.land.default.dev.o.main.mart": ((), False, False),
        "default.dev.o.main.mart": ((), False, False),
        "o.python.report": ((), False, False),
        "o.main.report": ((), False, False),
    }


def test_a_filter_reaches_all_of_a_dataset_and_what_comes_after_indirectly(shop: Memory) -> None:
    reached = shop.impact("raw.r", "id")
    assert reached["o.main.stg"] == (("id",), False, True)
    assert reached["o.main.mart"] == ((), True, True)
    assert reached["o.test.o.unique_mart"] == ((), True, True)


def test_a_whole_dataset_reaches_all_that_is_made_of_any_column(shop: Memory) -> None:
    reached = shop.impact("o.main.stg")
    assert reached["o.main.mart"] == (("email",), False, True)
    assert reached["o.test.o.unique_mart"] == ((), True, True)  # of its columns only the join is sure to reach it


def test_a_landed_table_and_its_relation_are_one_where_they_are_named(shop: Memory) -> None:
    landed = table("default.dev.o.main.stg", "email", namespace=ICEBERG, made_of={"email": [("o.main.stg", "email")]})
    landing = {"jobType": {"jobType": "LANDING", "integration": "FLOE"}}
    shop.hear(run("o.land.default.dev.o.main.stg", reads=[table("o.main.stg")], writes=[landed], **landing))
    assert shop.graph(dataset="stg", direction="downstream", depth=1) == [
        (0, "default.dev.o.main.stg"),
        (0, "o.main.stg"),
        (1, "o.land.default.dev.o.main.stg"),
        (1, "o.model.o.mart"),
        (2, "o.main.mart"),
    ]
    assert shop.graph(dataset="stg", direction="upstream", depth=1) == [
        (0, "default.dev.o.main.stg"),
        (1, "o.land.default.dev.o.main.stg"),
        (2, "o.main.stg"),
    ]
    for column in (None, "email"):
        reached = shop.impact("stg", column)
        assert reached["o.main.mart"] == (("email",), False, True)
        assert "o.main.stg" not in reached
    answer = columns_read.read_column(shop.seen(), ReadColumn(dataset="stg", field="email", direction="downstream"))
    names = {node.id: node.name for node in answer.nodes}
    assert {names[edge.target] for edge in answer.edges} == {"default.dev.o.main.stg", "o.main.mart"}


def test_circles_of_jobs_come_to_an_end(memory: Memory) -> None:
    edges = table("b", "x", made_of={"x": [("a", "x")]})
    back = table("a", "x", made_of={"x": [("b", "x")]})
    memory.hear(run("f", reads=[table("a")], writes=[edges]), run("g", reads=[table("b")], writes=[back]))
    assert memory.graph(dataset="a", depth=100) == [(0, "a"), (1, "f"), (1, "g"), (2, "b")]
    assert set(memory.impact("a", "x")) == {"f", "g", "b"}


def test_a_column_tells_where_it_comes_from_and_goes_to(shop: Memory) -> None:
    answer = columns_read.read_column(shop.seen(), ReadColumn(dataset="o.main.stg", field="EMAIL"))
    names = {node.id: node.name for node in answer.nodes}
    assert [(names[edge.source], edge.source_field, names[edge.target]) for edge in answer.edges] == [
        ("o.raw.r", "email", "o.main.stg"),
        ("o.main.stg", "email", "o.main.mart"),
    ]
    assert answer.field.derived == "pii"
    with pytest.raises(ColumnUnknown) as failure:
        columns_read.read_column(shop.seen(), ReadColumn(dataset="o.main.stg", field="emails"))
    assert "'email'" in (failure.value.hint or "")


def test_a_path_through_another_environment_is_not_shown(memory: Memory) -> None:
    made_of = {"email": [("hidden", "email")]}
    copied = {"email": [("shown", "email")]}
    memory.hear(
        run("load", writes=[table("hidden", "email", said={"email": "pii"})]), place=Place("default", "prod", "o")
    )
    memory.hear(
        run("make", reads=[], writes=[table("shown", "email", made_of=made_of)]),
        run("copy", reads=[table("shown")], writes=[table("copied", "email", made_of=copied)]),
    )
    hidden = next(each for each in memory.known["default"].graph.datasets.values() if each.name == "hidden")
    assert hidden.environments == ("prod", "dev")  # it was mentioned there, and so it may be seen
    memory.known["default"].graph.put_dataset(hidden.model_copy(update={"environments": ("prod",)}))
    # Nor is what comes behind it taken for the reason.
    assert memory.derived("shown", "email") == memory.derived("copied", "email") == {"pii": ([], False)}
    assert memory.graph(dataset="shown", direction="upstream") == [(0, "shown"), (1, "make")]


def test_what_a_job_of_another_environment_makes_is_not_shown(memory: Memory) -> None:
    prod = Place("default", "prod", "o")
    landing = {"jobType": {"jobType": "LANDING", "integration": "FLOE"}}
    landed = table("land.a", "email", namespace=ICEBERG)
    copied = table("land.a", "email", namespace=ICEBERG, made_of={"email": [("a", "email")]})
    known = [table("a", "email"), table("b", "email"), landed]
    memory.hear(run("load", reads=known), run("land", reads=[table("a")], writes=[landed], **landing))
    memory.hear(run("load", reads=known), place=prod)
    hidden = run("secret", reads=[table("a")], writes=[table("b", made_of={"email": [("a", "email")]}), copied])
    memory.hear(hidden, place=prod)

    def edges(dataset: str, environment: str) -> int:
        request = ReadColumn(dataset=dataset, field="email")
        return len(columns_read.read_column(memory.seen(environment), request).edges)

    assert memory.graph(dataset=f"{WAREHOUSE} b", direction="upstream") == [(0, "b")]
    assert [edges(f"{WAREHOUSE} {name}", "dev") for name in "ab"] == [0, 0]
    assert [edges(f"{WAREHOUSE} {name}", "prod") for name in "ab"] == [2, 1]
    seen = memory.seen()
    assert columns_read.landed_from(seen, (seen.dataset("land.a"), "email")) == []
    # A job that can be seen makes the same: then so can be what it makes, until it makes something else.
    made = table("b", "email", made_of={"email": [("a", "email")]})
    memory.hear(run("open", reads=[table("a")], writes=[made]))
    assert edges(f"{WAREHOUSE} b", "dev") == 1
    memory.hear(run("open", reads=[table("a")], writes=[table("b")], number=2, at="2026-01-02T00:00:00Z"))
    assert (edges(f"{WAREHOUSE} b", "dev"), edges(f"{WAREHOUSE} b", "prod")) == (0, 1)


def test_answers_are_bounded_and_say_so(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "MOST_NODES", 5)
    memory.hear(*(run(f"j{n}", reads=[table("hub")], writes=[table(f"out{n}")]) for n in range(20)))
    answer = read_graph(memory.seen(), ReadGraph(dataset="hub"))
    assert len(answer.nodes) == 5
    assert answer.truncated
