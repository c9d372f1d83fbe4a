"""What events make of the graph, in whatever order they come."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from floe_contracts.openlineage.naming import Place, foreign_place

from .graph_events import ORDERS, WAREHOUSE, Memory, run, table

SPARK = foreign_place("default", "dev", "spark")


def jobs(memory: Memory) -> dict[str, tuple[list[str], list[str]]]:
    known = memory.known["default"].graph
    return {
        job.name: ([each.name for each in job.inputs], [each.name for each in job.outputs])
        for job in known.jobs.values()
    }


def dataset(memory: Memory, name: str) -> Any:
    return next(each for each in memory.known["default"].graph.datasets.values() if each.name == name)


def test_a_run_that_only_begins_takes_nothing_back(memory: Memory) -> None:
    memory.hear(run("j", reads=[table("a")], writes=[table("b")], at="2026-01-01T00:00:00Z"))
    memory.hear(run("j", "START", number=2, at="2026-01-02T00:00:00Z"))
    assert jobs(memory) == {"j": (["a"], ["b"])}
    assert next(iter(memory.known["default"].graph.jobs.values())).last_run.event_type == "START"
    memory.hear(run("j", "FAIL", number=2, at="2026-01-02T00:00:01Z"))
    assert jobs(memory) == {"j": (["a"], ["b"])}


def test_events_of_one_run_add_to_each_other(memory: Memory) -> None:
    memory.hear(run("j", "START", reads=[table("a")]), run("j", "RUNNING", reads=[table("b")]))
    assert jobs(memory) == {"j": (["a", "b"], [])}
    memory.hear(run("j", writes=[table("c")]))
    assert jobs(memory) == {"j": (["a", "b"], ["c"])}
    memory.hear(run("j", number=2, reads=[table("b")], writes=[table("c")], at="2026-01-02T00:00:00Z"))
    assert jobs(memory) == {"j": (["b"], ["c"])}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=lambda order: "".join(map(str, order)))
def test_events_of_one_run_add_to_each_other_in_any_order(memory: Memory, order: tuple[int, ...]) -> None:
    events = [
        run("j", "START", reads=[table("a")], at="2026-01-01T00:00:00Z"),
        run("j", "RUNNING", reads=[table("b")], at="2026-01-01T00:00:01Z"),
        run("j", writes=[table("c")], at="2026-01-01T00:00:02Z"),
    ]
    memory.hear(*(events[number] for number in order))
    ((reads, writes),) = jobs(memory).values()
    assert (sorted(reads), writes) == (["a", "b"], ["c"])
    (job,) = memory.known["default"].graph.jobs.values()
    assert job.open_runs == ()


def test_runs_of_a_job_that_overlap_take_nothing_from_each_other(memory: Memory) -> None:
    memory.hear(
        run("j", "START", number=1, reads=[table("a")], at="2026-01-01T00:00:00Z"),
        run("j", "START", number=2, reads=[table("a"), table("b")], at="2026-01-01T00:00:01Z"),
        run("j", "START", number=3, reads=[table("x")], at="2026-01-01T00:00:02Z"),
        run("j", number=1, writes=[table("c")], at="2026-01-01T00:00:03Z"),
    )
    assert jobs(memory) == {"j": (["a"], ["c"])}
    memory.hear(run("j", "FAIL", number=3, at="2026-01-01T00:00:04Z"))
    memory.hear(run("j", number=2, writes=[table("c")], at="2026-01-01T00:00:05Z"))
    assert jobs(memory) == {"j": (["a", "b"], ["c"])}
    (job,) = memory.known["default"].graph.jobs.values()
    assert job.open_runs == ()


def test_a_job_that_was_described_without_a_run_since_takes_nothing_of_an_older_one(memory: Memory) -> None:
    declared = run("j", reads=[table("new")], writes=[table("c")], at="2026-01-02T00:00:00Z")
    declared.pop("run")
    declared.pop("eventType")
    memory.hear(run("j", writes=[table("c")], at="2026-01-01T00:00:01Z"), declared)
    memory.hear(run("j", "START", reads=[table("old")], at="2026-01-01T00:00:00Z"))
    assert jobs(memory) == {"j": (["new"], ["c"])}


def test_a_run_that_never_ends_does_not_grow_for_ever(memory: Memory) -> None:
    for second in range(5):
        paths = [table(f"path/{second}/{number}") for number in range(1000)]
        memory.hear(run("j", "RUNNING", reads=[table("first"), *paths], at=f"2026-01-01T00:00:0{second}Z"))
    (job,) = memory.known["default"].graph.jobs.values()
    (open_run,) = job.open_runs
    for found in (job.inputs, open_run.inputs):
        assert len(found) == 2000
        assert {"first", *(f"path/4/{number}" for number in range(1000))} <= {each.name for each in found}
    # What one event tells is bounded by what a message holds.
    memory.hear(run("j", reads=[table(f"end/{number}") for number in range(3000)], at="2026-01-01T00:00:09Z"))
    (job,) = memory.known["default"].graph.jobs.values()
    assert len(job.inputs) == 3000


def test_runs_without_an_end_are_forgotten_when_there_are_many(memory: Memory) -> None:
    memory.hear(*(run("j", "START", number=number, reads=[table("a")]) for number in range(50)))
    (job,) = memory.known["default"].graph.jobs.values()
    assert len(job.open_runs) == 4


def test_a_late_event_of_an_older_run_changes_nothing(memory: Memory) -> None:
    memory.hear(run("j", number=2, reads=[table("new")], writes=[table("out")], at="2026-01-02T00:00:00Z"))
    memory.hear(run("j", number=1, reads=[table("old")], writes=[table("out")], at="2026-01-01T00:00:00Z"))
    memory.hear(run("j", "START", number=2, at="2026-01-02T00:00:00Z"))
    assert jobs(memory) == {"j": (["new"], ["out"])}
    (job,) = memory.known["default"].graph.jobs.values()
    assert (job.last_run.event_type, job.open_runs) == ("COMPLETE", ())


def test_events_that_come_again_in_any_order_end_the_same(memory: Memory) -> None:
    events = memory.stored(
        run("j", "START", reads=[table("a")], at="2026-01-01T00:00:00Z"),
        run("j", writes=[table("b", "x")], at="2026-01-01T00:00:01Z"),
        run("k", reads=[table("b", "x")], writes=[table("c")], at="2026-01-01T00:00:02Z"),
    )
    memory.take(events)
    once = memory.known["default"].graph
    for order in itertools.permutations(events):
        assert not memory.take(order).jobs
        assert not memory.take(order).datasets
    assert memory.known["default"].graph is once


def test_a_stream_that_was_made_anew_is_read_from_its_beginning(memory: Memory) -> None:
    memory.hear(*(run("j", number=number, reads=[table("old")]) for number in range(5)))
    memory.sequence = 0
    (event,) = memory.stored(run("j", number=9, reads=[table("new")], at="2026-02-01T00:00:00Z"))
    later = type(event)(event.body, "again", type(event.position)(1, event.position.stored_at * 2), event.subject)
    memory.take([later])
    assert jobs(memory)["j"] == (["new"], [])


def test_a_clock_that_is_ahead_blocks_nobody(memory: Memory) -> None:
    memory.hear(run("j", number=1, reads=[table("wrong")], at="2099-01-01T00:00:00Z"))
    memory.hear(run("j", number=2, reads=[table("right")], at="2099-01-01T00:00:00Z"))
    assert jobs(memory)["j"] == (["right"], [])


def test_columns_are_known_from_who_writes_them(memory: Memory) -> None:
    memory.hear(run("writer", writes=[table("t", "id", "email")]))
    memory.hear(run("reader", "START", reads=[table("t", "id")], at="2026-01-02T00:00:00Z"))
    memory.hear(run("reader", reads=[table("t", "id")], at="2026-01-02T00:00:01Z"))
    memory.hear(run("reader", reads=[table("raw", "documented")], at="2026-01-02T00:00:02Z"))
    assert [field.name for field in dataset(memory, "t").fields] == ["id", "email"]
    assert [field.name for field in dataset(memory, "raw").fields] == ["documented"]
    memory.hear(run("writer", number=2, writes=[table("t", "id")], at="2026-01-03T00:00:00Z"))
    assert [field.name for field in dataset(memory, "t").fields] == ["id"]


def test_only_who_said_what_a_column_is_takes_it_back(memory: Memory) -> None:
    def declared() -> Any:
        return dataset(memory, "t").declared

    tags = {"tags": [{"key": "pii", "value": "true", "field": "phone"}, {"key": "classification", "value": "secret"}]}
    memory.hear(run("w", writes=[table("t", "email", said={"email": "pii"})], at="2026-01-01T00:00:00Z"))
    memory.hear(run("s", reads=[table("t", "email", tags=tags)], namespace="spark"), place=SPARK)
    memory.hear(run("r", reads=[table("t", "email")]), place=Place("default", "dev", "other"))
    memory.hear(run("s", number=2, reads=[table("t", "email")], namespace="spark"), place=SPARK)
    assert declared() == {"email": ("pii",), "phone": ("pii",)}
    memory.hear(run("w", number=2, writes=[table("t", "email")], at="2026-01-02T00:00:00Z"))
    assert declared() == {"phone": ("pii",)}


def test_what_is_dropped_is_not_found(memory: Memory) -> None:
    drop = {"lifecycleStateChange": {"lifecycleStateChange": "DROP"}}
    memory.hear(run("w", writes=[table("t")]), run("r", reads=[table("t")], writes=[table("u")]))
    memory.hear(run("dropper", writes=[table("t", **drop)], at="2026-01-02T00:00:00Z"))
    assert memory.graph(dataset="u") == [(0, "u"), (1, "r")]
    memory.hear(run("w", number=2, writes=[table("t", "x")], at="2026-01-03T00:00:00Z"))
    assert (2, "t") in memory.graph(dataset="u")


def test_events_without_a_run_say_what_a_job_reads_and_what_a_dataset_is(memory: Memory) -> None:
    job = run("static", reads=[table("a")], writes=[table("b")], namespace="airflow")
    about = {**job, "dataset": table("lone", "x", said={"x": "pii"})}
    for key in ("eventType", "run"):
        job.pop(key)
    for key in ("eventType", "run", "job", "inputs", "outputs"):
        about.pop(key)
    memory.hear(job, about, place=SPARK)
    assert jobs(memory) == {"static": (["a"], ["b"])}
    assert dataset(memory, "lone").declared == {"x": ("pii",)}


@pytest.mark.parametrize(
    "facets",
    [
        {"schema": {"fields": "x"}},
        {"schema": {"fields": [1, {"name": 3}, {"type": "x"}]}},
        {"columnLineage": {"fields": [1]}},
        {"columnLineage": {"fields": {"a": 1, "b": {"inputFields": [{"field": "x"}, 2]}}, "dataset": {}}},
        {"tags": {"tags": {}}, "symlinks": {"identifiers": [{"namespace": 1}]}},
        {"floe_classification": {"columns": []}, "lifecycleStateChange": {}, "datasetType": {"datasetType": []}},
    ],
    ids=["no list", "no fields", "no columns", "odd columns", "no tags", "odd ones"],
)
def test_facets_without_their_shape_say_nothing(memory: Memory, facets: dict[str, Any]) -> None:
    batch = memory.hear(run("j", writes=[table("t", **facets)], jobType=facets, sql={"query": 3}))
    assert batch.passed_over == []
    state = dataset(memory, "t")
    assert (state.fields, state.declared, state.type, state.symlinks) == ((), {}, None, ())


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b"{}", b'{"run": 1}', b"null"], ids=["none", "bytes", "list", "empty", "odd", "null"]
)
def test_what_is_no_event_is_passed_over(memory: Memory, body: bytes) -> None:
    (event,) = memory.stored(run("j"))
    batch = memory.take([type(event)(body, "1", event.position, event.subject)])
    assert [each.position for each in batch.passed_over] == [event.position]
    assert not memory.known


def test_nobody_else_speaks_of_jobs_of_floe(memory: Memory) -> None:
    memory.hear(run("orders.model.a", reads=[table("a")], writes=[table("b")]))
    batch = memory.hear(run("orders.model.a", number=2, writes=[table("c")], at="2026-02-01T00:00:00Z"), place=SPARK)
    assert len(batch.passed_over) == 1
    assert jobs(memory) == {"orders.model.a": (["a"], ["b"])}


def test_tenants_and_environments_are_told_apart_by_the_subject(memory: Memory) -> None:
    memory.hear(run("j", reads=[table("a")], writes=[table("b")]))
    memory.hear(run("j", reads=[table("theirs")]), place=Place("acme", "dev", "orders"))
    memory.hear(run("p", reads=[table("b")], writes=[table("c")]), place=Place("default", "prod", "orders"))
    assert memory.graph(dataset="b") == [(0, "b"), (1, "j"), (2, "a")]
    assert memory.graph("prod", dataset="b") == [(0, "b"), (1, "p"), (2, "c")]
    assert memory.graph("-", dataset="a") == [(0, "a"), (1, "j"), (2, "b"), (3, "p"), (4, "c")]
    assert [each.name for each in memory.known["acme"].graph.datasets.values()] == ["theirs"]


def test_who_writes_a_dataset_is_whose_it_is(memory: Memory) -> None:
    memory.hear(run("w", writes=[table("t")]))
    memory.hear(run("r", reads=[table("t")], namespace="spark"), place=SPARK)
    assert dataset(memory, "t").product == ORDERS.product
    assert dataset(memory, "t").namespace == WAREHOUSE
