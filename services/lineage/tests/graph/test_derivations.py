"""What columns are because of the columns that they are made of."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from floe_contracts.lineage_states import ColumnSource, DatasetState, Declaration, JobState, OutputColumns
from floe_lineage.core.graph.column_edges import Column
from floe_lineage.core.graph.knowledge import Knowledge
from floe_lineage.core.graph.telling import telling

from .graph_events import Memory, run, table

LATER: Final = "2026-01-02T00:00:00Z"
_COMMON: Final[dict[str, Any]] = {
    "tenant": "default",
    "namespace": "n",
    "environment": "dev",
    "environments": ("dev",),
    "product": "p",
    "sequence": 1,
    "stored_at": 1,
}


def made(target: str, *sources: tuple[str, ...], column: str = "email", number: int = 1, at: str = LATER) -> Any:
    """A job that makes `column` of a table of the same columns of others."""
    reads = [table(source[0]) for source in sources]
    writes = [table(target, column, made_of={column: sources})]
    return run(f"make_{target}", reads=reads, writes=writes, number=number, at=at)


def load(said: dict[str, str] | None = None, *, number: int = 1, at: str = LATER) -> Any:
    return run("load", writes=[table("raw", "email", said=said)], number=number, at=at)


def test_a_column_is_what_it_is_made_of_through_any_number_of_tables(memory: Memory) -> None:
    memory.hear(load({"email": "pii"}))
    for number in range(1, 30):
        memory.hear(made(f"t{number}", (f"t{number - 1}" if number > 1 else "raw", "email")))
    path, masked = memory.derived("t29", "email")["pii"]
    assert path == ["raw.email", *(f"t{number}.email" for number in range(1, 30))]
    assert not masked
    assert memory.derived("raw", "email") == {}


def test_a_table_without_a_record_is_left_out_of_a_path(memory: Memory) -> None:
    memory.hear(load({"email": "pii"}), made("between", ("raw", "email")), made("end", ("between", "email")))
    whole = memory.known["default"].graph
    anew = Knowledge()  # as after a start, when the record of a table is gone or cannot be read
    states = [*whole.datasets.values(), *whole.jobs.values()]
    anew.take(state for state in states if state.name != "between")
    (told,) = [
        found
        for job in anew.graph.jobs.values()
        if (found := telling(anew, job, None, LATER)) and job.name == "make_end"
    ]
    (found,) = told.event["outputs"][0]["facets"]["floe_derived_classification"]["columns"]["email"]
    assert [step["name"] for step in found["path"]] == ["raw", "end"]


def test_masking_is_told_and_a_way_without_it_counts_more(memory: Memory) -> None:
    memory.hear(load({"email": "pii"}))
    memory.hear(made("hashed", ("raw", "email", "TRANSFORMATION", "masked")))
    memory.hear(made("copy", ("hashed", "email")))
    assert memory.derived("copy", "email") == {"pii": (["raw.email", "hashed.email", "copy.email"], True)}
    memory.hear(made("plain", ("raw", "email")), made("more", ("plain", "email")))
    memory.hear(made("both", ("hashed", "email"), ("more", "email")))
    path = ["raw.email", "plain.email", "more.email", "both.email"]
    assert memory.derived("both", "email") == {"pii": (path, False)}


def test_a_count_ends_it_and_a_maximum_does_not(memory: Memory) -> None:
    memory.hear(load({"email": "pii"}))
    memory.hear(
        made("counted", ("raw", "email", "AGGREGATION", "masked")), made("most", ("raw", "email", "AGGREGATION"))
    )
    assert memory.derived("counted", "email") == {}
    assert list(memory.derived("most", "email")) == ["pii"]


def test_what_is_only_depended_on_carries_nothing(memory: Memory) -> None:
    memory.hear(run("load", writes=[table("raw", "email", "id", said={"email": "pii"})]))
    filtered = table("t", "id", made_of={"id": [("raw", "id")]}, whole=[("raw", "email", "FILTER")])
    memory.hear(run("filter", reads=[table("raw")], writes=[filtered]))
    assert memory.derived("t", "id") == {}


def test_a_declaration_that_comes_or_goes_changes_all_that_follows_without_a_run(memory: Memory) -> None:
    memory.hear(load(), made("a", ("raw", "email")), made("b", ("a", "email")))
    assert memory.derived("b", "email") == {}
    memory.hear(load({"email": "pii"}, number=2))
    assert list(memory.derived("b", "email")) == ["pii"]
    memory.hear(load({"email": "financial"}, number=3, at="2026-01-03T00:00:00Z"))
    assert list(memory.derived("b", "email")) == ["financial"]
    memory.hear(load(number=4, at="2026-01-04T00:00:00Z"))
    assert memory.derived("b", "email") == {}


def test_an_edge_that_goes_takes_what_followed_with_it(memory: Memory) -> None:
    memory.hear(load({"email": "pii"}))
    memory.hear(made("a", ("raw", "email")), made("b", ("a", "email")))
    memory.hear(made("a", ("other", "email"), number=2, at="2026-01-03T00:00:00Z"))
    assert memory.derived("b", "email") == {}


def test_circles_come_to_an_end(memory: Memory) -> None:
    memory.hear(made("a", ("b", "email"), ("a", "email")), made("b", ("a", "email"), ("raw", "email")))
    memory.hear(load({"email": "pii"}))
    assert memory.derived("a", "email")["pii"][0] == ["raw.email", "b.email", "a.email"]
    memory.hear(load(number=2))
    assert memory.derived("a", "email") == memory.derived("b", "email") == {}


def test_what_an_owner_says_himself_is_not_derived_and_what_is_public_says_nothing(memory: Memory) -> None:
    memory.hear(load({"email": "pii"}))
    memory.hear(run("free", writes=[table("open", "email", said={"email": "public"})]))
    target = table("t", "email", said={"email": "pii"}, made_of={"email": [("raw", "email"), ("open", "email")]})
    memory.hear(run("make", reads=[table("raw"), table("open")], writes=[target]))
    memory.hear(made("next", ("t", "email")))
    assert memory.derived("t", "email") == {}
    assert memory.derived("next", "email")["pii"][0] == ["t.email", "next.email"]


COLUMNS: Final = [f"t{number}" for number in range(6)]
EDGES = st.tuples(st.sampled_from(COLUMNS), st.booleans(), st.sampled_from(["IDENTITY", "AGGREGATION"]))
STEPS = st.one_of(
    st.tuples(st.just("job"), st.sampled_from(COLUMNS), st.lists(EDGES, max_size=3)),
    st.tuples(st.just("said"), st.sampled_from(COLUMNS), st.lists(st.sampled_from(["pii", "financial"]), max_size=2)),
)


@given(st.lists(STEPS, max_size=25))
@settings(max_examples=200)
def test_what_is_computed_step_by_step_is_what_follows_from_all_of_it(steps: list[tuple[str, str, Any]]) -> None:
    known = Knowledge()
    known.take(dataset(name, []) for name in COLUMNS)
    for kind, name, content in steps:
        known.take([job(name, content) if kind == "job" else dataset(name, content)])
    assert {column: reached(known, column) for column in all_columns(known)} == by_hand(known)


def dataset(name: str, said: list[str]) -> DatasetState:
    columns = {"x": tuple(sorted(set(said)))} if said else {}
    return DatasetState(**_COMMON, name=name, declarations=(Declaration(product="p", at=1, columns=columns),))


def job(name: str, sources: list[tuple[str, bool, str]]) -> JobState:
    made_of = tuple(
        ColumnSource(namespace="n", dataset=source, field="x", masking=masking, subtype=subtype)
        for source, masking, subtype in sources
    )
    columns = OutputColumns(namespace="n", name=name, told_by="sql", columns={"x": made_of})
    return JobState(**_COMMON, name=f"job {name}", columns=(columns,))


def all_columns(known: Knowledge) -> list[Column]:
    return [(identity, "x") for identity in known.graph.datasets]


def reached(known: Knowledge, column: Column) -> dict[str, tuple[bool, int]]:
    found = known.derivations.of_column(column)
    for classification in found:
        path = known.derivations.path(column, classification)
        assert len(path) == found[classification].steps + 1
        assert classification in known.graph.declared[path[0]]
    return {name: (reach.masked, reach.steps) for name, reach in found.items()}


def by_hand(known: Knowledge) -> dict[Column, dict[str, tuple[bool, int]]]:
    """The best of all ways, found by trying for as long as something gets better."""
    best: dict[Column, dict[str, tuple[bool, int]]] = {
        column: dict.fromkeys(known.graph.declared.get(column, ()), (False, 0)) for column in all_columns(known)
    }
    better = True
    while better:
        better = False
        for column in best:
            for edge in known.graph.columns.after(column):
                if not edge.carries:
                    continue
                for name, (masked, steps) in list(best[column].items()):
                    way = (masked or edge.masking, steps + 1)
                    if way < best[edge.target].get(name, (True, 10**6)):
                        best[edge.target][name] = way
                        better = True
    return {column: {name: way for name, way in found.items() if way[1]} for column, found in best.items()}
