"""Whatever an event says, the graph goes on."""

from __future__ import annotations

from typing import Any, Final

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from floe_contracts.lineage_requests import ReadColumn, ReadGraph, ReadImpact
from floe_lineage.core.graph.columns_read import read_column
from floe_lineage.core.graph.impact import read_impact
from floe_lineage.core.graph.telling import telling
from floe_lineage.core.graph.walking import read_graph

from .graph_events import Memory, run

TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
NAMES: Final = st.sampled_from(["a", "b.a", "c/a", "A", " ", ".", "ä*>", "\x00"])
SOURCE: Final = st.fixed_dictionaries(
    {"namespace": NAMES, "name": NAMES, "field": NAMES},
    optional={"transformations": st.lists(st.fixed_dictionaries({"type": st.sampled_from(["DIRECT", "INDIRECT", 1])}))},
)
FACETS: Final = st.fixed_dictionaries(
    {},
    optional={
        "schema": JSON.map(lambda value: {"fields": value}) | st.just({"fields": [{"name": "a"}, {"name": "a"}]}),
        "columnLineage": st.fixed_dictionaries(
            {"fields": st.dictionaries(NAMES, st.fixed_dictionaries({"inputFields": st.lists(SOURCE, max_size=2)}))},
            optional={"dataset": st.lists(SOURCE, max_size=2) | JSON},
        ),
        "floe_classification": JSON.map(lambda value: {"columns": value})
        | st.just({"columns": {"a": {"classification": "pii"}}}),
        "tags": JSON.map(lambda value: {"tags": value}),
        "symlinks": JSON.map(lambda value: {"identifiers": value}),
        "lifecycleStateChange": st.sampled_from([{"lifecycleStateChange": each} for each in ("DROP", "CREATE", 3)]),
    },
)
DATASET: Final = st.fixed_dictionaries({"namespace": NAMES, "name": NAMES, "facets": FACETS})
TIMES: Final = st.sampled_from(
    [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-01-01T00:00:00.123456789123Z",
        "2026-01-01T00:00:00Z",
    ]
)
EVENT: Final = st.builds(
    lambda kind, job, reads, writes, number, at, facets: run(
        job, kind, reads=reads, writes=writes, number=number, at=at, **facets
    ),
    st.sampled_from(["START", "RUNNING", "COMPLETE", "FAIL", "ABORT", "OTHER"]),
    NAMES,
    st.lists(DATASET, max_size=2),
    st.lists(DATASET, max_size=2),
    st.integers(1, 3),
    TIMES,
    st.dictionaries(st.sampled_from(["jobType", "sql"]), st.dictionaries(TEXT, JSON, max_size=2), max_size=2),
)


@given(st.lists(EVENT, max_size=6), NAMES)
@settings(max_examples=150)
def test_events_with_any_facets_are_taken_and_answered_from(events: list[Any], name: str) -> None:
    memory = Memory()
    batch = memory.hear(*events)
    assert batch.passed_over == []
    if not memory.known:
        return
    seen, known = memory.seen(), memory.known["default"]
    for dataset in known.graph.datasets.values():
        whole = f"{dataset.namespace} {dataset.name}"
        if dataset.dropped or whole.count(" ") > 1:
            continue
        assert read_graph(seen, ReadGraph(dataset=whole, columns=True)).nodes
        read_impact(seen, ReadImpact(dataset=whole))
        for column in {field.name for field in dataset.fields} | set(known.derivations.of_dataset(dataset.id)):
            read_column(seen, ReadColumn(dataset=whole, field=column))
    for job in known.graph.jobs.values():
        if (told := telling(known, job, None, "2026-01-01T00:00:00Z")) is not None:
            orjson.dumps(told.event)


@given(st.binary(max_size=60) | JSON.map(orjson.dumps))
@settings(max_examples=150)
def test_bytes_that_are_no_event_are_passed_over(body: bytes) -> None:
    memory = Memory()
    (event,) = memory.stored(run("j"))
    batch = memory.take([type(event)(body, "1", event.position, event.subject)])
    assert [passed.position for passed in batch.passed_over] == [event.position]
    assert memory.known == {}
