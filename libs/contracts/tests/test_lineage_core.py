"""The core of OpenLineage events: what is taken, what is refused and where, and how an event is addressed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_contracts import subjects
from floe_contracts.openlineage.core_check import check_core, pointer
from floe_contracts.openlineage.envelope import (
    Envelope,
    content_id,
    message_headers,
    message_subject,
    read_envelope,
)
from floe_contracts.openlineage.naming import Place

RUN = "0192f0a4-1b2c-7d3e-8f40-5a6b7c8d9e0f"
PARENT = "0192f0a4-1b2c-7d3e-8f40-000000000001"
ROOT = "0192f0a4-1b2c-7d3e-8f40-000000000002"
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"


def run_event() -> dict[str, Any]:
    return {
        "eventType": "COMPLETE",
        "eventTime": "2026-11-21T10:00:00.123456789Z",
        "producer": "https://example.com/airflow",
        "schemaURL": SCHEMA,
        "run": {"runId": RUN, "facets": {}},
        "job": {"namespace": "airflow", "name": "shop.load"},
        "inputs": [{"namespace": "s3://raw", "name": "a.csv", "inputFacets": {}}],
        "outputs": [{"namespace": "postgres://db:5432", "name": "shop.public.a", "facets": {"x": {}}}],
    }


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    event = copy.deepcopy(run_event())
    change(event)
    return event


def without(*keys: str) -> dict[str, Any]:
    return {key: value for key, value in run_event().items() if key not in keys}


def test_run_job_and_dataset_events_are_taken() -> None:
    dataset = without("run", "job", "inputs", "outputs", "eventType") | {"dataset": {"namespace": "s", "name": "d"}}
    assert check_core(run_event()) == ()
    assert check_core(without("eventType")) == ()
    assert check_core(without("inputs", "outputs")) == ()
    assert check_core(without("run", "eventType")) == ()
    assert check_core(dataset) == ()


@pytest.mark.parametrize(
    ("event", "places"),
    [
        (changed(lambda e: e["run"].update(runId="42")), ["/run/runId"]),
        (changed(lambda e: e["run"].pop("runId")), ["/run/runId"]),
        (changed(lambda e: e.update(run=[])), ["/run"]),
        (changed(lambda e: e.update(eventTime="2026-11-21T10:00:00")), ["/eventTime"]),
        (changed(lambda e: e.update(eventTime="2026-02-30T10:00:00Z")), ["/eventTime"]),
        (changed(lambda e: e.update(eventTime=1700000000)), ["/eventTime"]),
        (changed(lambda e: e.update(eventType="DONE")), ["/eventType"]),
        (changed(lambda e: e.update(eventType=["START"])), ["/eventType"]),
        (changed(lambda e: e.update(producer="airflow")), ["/producer"]),
        (changed(lambda e: e.pop("job")), ["/job"]),
        (changed(lambda e: e["job"].update(name="")), ["/job/name"]),
        (changed(lambda e: e["job"].update(name="x" * 4097)), ["/job/name"]),
        (changed(lambda e: e.update(outputs={})), ["/outputs"]),
        (changed(lambda e: e["outputs"].append("orders")), ["/outputs/1"]),
        (changed(lambda e: e["outputs"][0]["facets"].update({"a/b~c": 1})), ["/outputs/0/facets/a~1b~0c"]),
        (changed(lambda e: e["inputs"][0].update(inputFacets=[])), ["/inputs/0/inputFacets"]),
        (changed(lambda e: e.update(dataset={"namespace": "s", "name": "d"})), ["/dataset"]),
        (without("run", "job"), [""]),
        ([], [""]),
        (None, [""]),
        ({}, ["/eventTime", "/producer", "/schemaURL", ""]),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_wrong_is_told_with_its_place(event: object, places: list[str]) -> None:
    assert [problem.pointer for problem in check_core(event)] == places


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*run_event(), "dataset", "runId"]), inner),
    )
)
def test_no_rubbish_breaks_the_check(rubbish: object) -> None:
    problems = check_core(rubbish)
    assert problems or read_envelope(rubbish)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parent", "root"),
    [
        (None, RUN),
        ({"run": {"runId": PARENT}, "job": {}}, PARENT),
        ({"run": {"runId": PARENT}, "root": {"run": {"runId": ROOT}}}, ROOT),
        ({"run": {"runId": PARENT}, "root": "nonsense"}, PARENT),
        ({"run": "nonsense"}, RUN),
        ({"run": {"runId": "two\r\nlines"}}, RUN),
    ],
    ids=["none", "parent", "root", "broken-root", "broken-parent", "not-a-header"],
)
def test_the_root_run_stands_in_the_headers(parent: dict[str, Any] | None, root: str) -> None:
    event = changed(lambda e: e["run"].update(facets={"parent": parent} if parent else {}))
    assert message_headers(read_envelope(event)) == {
        "Content-Type": "application/json",
        "Floe-Run-Id": RUN,
        "Floe-Root-Run-Id": root,
        "Floe-Job-Namespace": "airflow",
        "Floe-Job": "shop.load",
        "Floe-Event-Type": "COMPLETE",
    }


def test_names_that_a_header_cannot_hold_are_written_as_in_urls() -> None:
    headers = message_headers(Envelope("JOB", "grün", "a\r\nb 100%"))
    assert headers["Floe-Job-Namespace"] == "gr%C3%BCn"
    assert headers["Floe-Job"] == "a%0D%0Ab 100%25"
    assert "Floe-Run-Id" not in headers


def test_subjects_hold_producer_job_and_type() -> None:
    place = Place("acme", "prod", "airflow")
    assert (
        message_subject(read_envelope(run_event()), place) == "floe.v1.lineage.acme.prod.airflow.shop_2eload.complete"
    )
    assert message_subject(Envelope("DATASET", "s3://raw", "a"), place).endswith(".airflow.a.dataset")
    long = message_subject(Envelope("START", "n", "ä" * 4096), place)
    other = message_subject(Envelope("START", "n", "ä" * 4095), place)
    assert len(long) < 700
    assert long != other
    assert subjects.unescape(long.split(".")[6]).startswith("ä" * 30)


def test_the_message_id_is_that_of_the_content() -> None:
    run = read_envelope(run_event())
    assert content_id(run, b"{}") == f"{RUN}:COMPLETE:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert content_id(run, b"{ }") != content_id(run, b"{}")
    assert content_id(Envelope("JOB", "n", "j"), b"{}").startswith("job:44136fa3")
    assert content_id(Envelope("DATASET", "n", "d"), b"{}").startswith("dataset:44136fa3")


def test_pointers_are_escaped() -> None:
    assert pointer() == ""
    assert pointer("a", 0, "b/c~") == "/a/0/b~1c~0"
