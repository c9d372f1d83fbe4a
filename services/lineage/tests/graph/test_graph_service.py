"""The graph of the running service, on a real bus: what is asked of it, what it tells, and that it tells it once."""

from __future__ import annotations

import asyncio
import errno
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import psutil
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from floe_chassis import lineage_telemetry_names as names
from floe_chassis.errors import RequestFailed, RequestRefused
from floe_chassis.topology import LINEAGE, LINEAGE_DATASETS_BUCKET, LINEAGE_GRAPH, LINEAGE_JOBS_BUCKET, declared
from floe_chassis.topology_apply import apply
from floe_contracts.lineage_requests import READ_COLUMN, READ_GRAPH, ReadColumn, ReadGraph
from floe_contracts.lineage_states import JobState
from floe_contracts.openlineage.naming import Place, foreign_place
from floe_lineage.adapters.graph_buckets import GraphBuckets
from floe_lineage.errors import GraphNotReady, RecordTaken
from floe_lineage.graph import answering
from floe_lineage.graph.graph_metrics import GraphMetrics

from .graph_events import WAREHOUSE, Event, Memory, Stack, run, sql, table

pytestmark = pytest.mark.bus

LATER = "2026-01-02T00:00:00Z"


def shop(said: dict[str, str] | None = None, *, number: int = 1, at: str = "2026-01-01T00:00:00Z") -> list[Event]:
    """What a run of floe tells of raw -> staging -> mart -> landed table, without its columns' making."""
    raw = table("o.raw.customers", "email", "id", said=said)
    staging, mart = table("o.main.stg", "email", "id"), table("o.main.mart", "contact", "customers")
    landed = table("default.dev.o.main.mart", "contact", "customers", namespace="iceberg://default/dev")
    landing = {"jobType": {"jobType": "LANDING", "integration": "FLOE"}}
    of_staging = sql("select lower(email) as email, id from raw.customers")
    of_mart = sql("select max(email) as contact, count(*) as customers from main.stg group by id")
    return [
        run("o.model.o.stg", reads=[raw], writes=[staging], number=number, at=at, sql=of_staging),
        run("o.model.o.mart", reads=[staging], writes=[mart], number=number, at=at, sql=of_mart),
        run("o.land.mart", reads=[mart], writes=[landed], number=number, at=at, **landing),
    ]


def facets_of(told: list[Event], job: str) -> dict[str, Any]:
    """Of the one output of what was last told of a job."""
    (output,) = [event for event in told if event["job"]["name"] == job][-1]["outputs"]
    facets: dict[str, Any] = output["facets"]
    return facets


def column_children() -> list[psutil.Process]:
    found = []
    for one in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            if "floe_lineage.adapters.column_child" in one.cmdline():
                found.append(one)
    return found


async def derived(stack: Stack, dataset: str = "mart", field: str = "contact") -> list[tuple[str, list[str], bool]]:
    answer = await stack.ask(READ_COLUMN, ReadColumn(dataset=dataset, field=field))
    return [
        (each.classification, [f"{step.dataset}.{step.field}" for step in each.path], each.masked)
        for each in answer.derived
    ]


async def stored_jobs(stack: Stack) -> AsyncIterator[JobState]:
    async for record in GraphBuckets(stack.bus).load():
        state = record.read()
        if isinstance(state, JobState):
            yield state


PATH = ["o.raw.customers.email", "o.main.stg.email", "o.main.mart.contact", "default.dev.o.main.mart.contact"]


async def test_a_column_is_personal_without_anybody_saying_so(stack: Stack) -> None:
    async with stack.running():
        await stack.publish(*shop({"email": "pii"}))
        await stack.settled()
        assert await derived(stack) == [("pii", PATH, False)]
        assert await derived(stack, field="customers") == []
        graph = await stack.ask(READ_GRAPH, ReadGraph(dataset="mart", direction="upstream"))
        assert [node.name for node in graph.nodes] == [
            "default.dev.o.main.mart",
            "o.land.mart",
            "o.main.mart",
            "o.model.o.mart",
            "o.main.stg",
            "o.model.o.stg",
            "o.raw.customers",
        ]
        told = await stack.told()
    assert len(told) == 3
    facets = facets_of(told, "o.model.o.mart")
    (found,) = facets["floe_derived_classification"]["columns"]["contact"]
    assert [step["field"] for step in found["path"]] == ["email", "email", "contact"]
    (source,) = facets["columnLineage"]["fields"]["contact"]["inputFields"]
    assert (source["field"], source["transformations"][0]["subtype"]) == ("email", "AGGREGATION")
    assert {"key": "classification", "value": "pii", "source": "FLOE_LINEAGE", "field": "contact"} in facets["tags"][
        "tags"
    ]
    assert [field["name"] for field in facets["schema"]["fields"]] == ["contact", "customers"]


async def test_what_is_the_same_again_is_told_once_also_by_a_service_that_starts_anew(stack: Stack) -> None:
    async with stack.running():
        await stack.publish(*shop({"email": "pii"}))
        await stack.settled()
        await stack.publish(*shop({"email": "pii"}, number=2, at=LATER), *shop({"email": "pii"}))
        await stack.settled()
    async with stack.running():
        await stack.settled()
        assert await derived(stack) == [("pii", PATH, False)]
        await stack.publish(*reversed(shop({"email": "pii"}, number=3, at="2026-01-03T00:00:00Z")))
        await stack.settled()
    assert len(await stack.told()) == 3


async def test_a_declaration_that_goes_is_taken_back_everywhere_and_may_come_again(stack: Stack) -> None:
    async with stack.running():
        await stack.publish(*shop({"email": "pii"}))
        await stack.settled()
        # Nothing but the first table is told of again.
        await stack.publish(run("o.test", reads=[table("o.raw.customers", "email", "id")], number=2, at=LATER))
        await stack.settled()
        assert await derived(stack) == []
        facets = facets_of(await stack.told(), "o.land.mart")
        assert facets["floe_derived_classification"]["_deleted"] is True
        assert "columnLineage" in facets
        again = table("o.raw.customers", "email", "id", said={"email": "pii"})
        await stack.publish(run("o.test", reads=[again], number=3, at="2026-01-03T00:00:00Z"))
        await stack.settled()
        assert await derived(stack) == [("pii", PATH, False)]
    assert len(await stack.told()) == 9


async def test_what_a_producer_says_itself_wins(stack: Stack) -> None:
    spark = foreign_place("default", "dev", "spark")
    raw = table("s.raw", "a", "b", namespace="file", tags={"tags": [{"key": "pii", "value": "true", "field": "a"}]})
    columns = {"fields": {"y": {"inputFields": [{"namespace": "file", "name": "s.raw", "field": "a"}]}}}
    out = table("s.out", "y", namespace="file", columnLineage=columns)
    async with stack.running():
        event = run("job", reads=[raw], writes=[out], namespace="spark", sql=sql("select b as y from raw"))
        await stack.publish(event, place=spark)
        await stack.settled()
        assert await derived(stack, "s.out", "y") == [("pii", ["s.raw.a", "s.out.y"], False)]
        (told,) = await stack.told()
    assert set(told["outputs"][0]["facets"]) == {"schema", "tags", "floe_derived_classification"}


async def test_columns_stay_while_nothing_can_read_the_sql(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    first, again = shop({"email": "pii"}), shop({"email": "pii"}, number=2, at=LATER)
    again[0]["job"]["facets"]["sql"] = sql("select upper(email) as email, id + 1 as id from raw.customers")
    async with stack.running():
        await stack.publish(*first)
        await stack.settled()
        told = await stack.told()
        with monkeypatch.context() as patched:
            patched.setattr(asyncio, "create_subprocess_exec", refused)
            for child in column_children():
                child.kill()
            await stack.publish(*again)
            await stack.settled()
        assert await stack.told() == told
        assert await derived(stack) == [("pii", PATH, False)]

        later = {"eventTime": "2026-01-03T00:00:00Z", "run": {"runId": str(uuid.uuid4())}}
        await stack.publish(again[0] | later)
        await stack.settled()
        lineage = facets_of(await stack.told(), "o.model.o.stg")["columnLineage"]["fields"]
        (of_id,) = lineage["id"]["inputFields"]
        assert [each["subtype"] for each in of_id["transformations"]] == ["TRANSFORMATION"]


async def test_rubbish_stops_nothing(stack: Stack) -> None:
    events = shop({"email": "pii"})
    async with stack.running():
        for event in events:
            await stack.publish(b"\x00rubbish", b"[]", b'{"run": {}}', event, b'{"eventTime": 1}')
        broken = {**events[0], "inputs": [{"namespace": 1}]}
        await stack.bus.publish_raw("floe.v1.lineage.default.dev.o.j.start", json.dumps(broken).encode(), {}, "broken")
        await stack.bus.publish_raw("floe.v1.lineage.too.short", b"{}", {}, "short")
        await stack.settled()
        assert await derived(stack) == [("pii", PATH, False)]


async def test_a_graph_that_has_not_read_all_says_so(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "_CURRENT_SECONDS", 0.2)
    await stack.bus.js.delete_consumer(LINEAGE, LINEAGE_GRAPH)
    async with stack.running():
        with pytest.raises(RequestFailed) as failed:
            await stack.ask(READ_GRAPH, ReadGraph(dataset="stg"))
        assert failed.value.problem.code == GraphNotReady.code
        await apply(stack.bus, declared(stack.settings, ["file"]))
        await stack.publish(*shop())
        await stack.settled()
        assert (await stack.ask(READ_GRAPH, ReadGraph(dataset="stg"))).nodes


async def test_a_tenant_sees_nothing_of_another(stack: Stack) -> None:
    async with stack.running():
        await stack.publish(*shop(), place=Place("acme", "dev", "o"))
        await stack.settled()
        for asked in ("stg", "*", "o.main.>", f"{WAREHOUSE} o.main.stg"):
            with pytest.raises(RequestRefused) as refused:
                await stack.ask(READ_GRAPH, ReadGraph(dataset=asked))
            assert refused.value.problem.code == "FLOE-LIN-020"
        assert (await stack.ask(READ_GRAPH, ReadGraph(dataset="stg"), tenant="acme")).nodes


async def test_what_was_stored_before_the_start_is_in_the_first_answer(stack: Stack) -> None:
    await stack.publish(*(run(f"j{n}", reads=[table("hub")], writes=[table(f"t{n}", "x")]) for n in range(600)))
    async with stack.running():
        graph = await stack.ask(READ_GRAPH, ReadGraph(dataset="t599"))
        assert [node.name for node in graph.nodes if node.distance == 1] == ["j599"]


async def test_a_second_writer_is_told_apart(stack: Stack) -> None:
    async with stack.running():
        await stack.publish(*shop())
        await stack.settled()
        other = GraphBuckets(stack.bus)
        states = [record.read() async for record in other.load()]
        await other.write(states[:1])
        ours = GraphBuckets(stack.bus)
        with pytest.raises(RecordTaken):
            await ours.write(states[:1])
        # The service finds out, reads all again, and goes on.
        await stack.publish(*shop({"email": "pii"}, number=2, at=LATER))
        await stack.settled()
        assert await derived(stack) == [("pii", PATH, False)]
    bucket = await stack.bus.key_value(LINEAGE_DATASETS_BUCKET)
    assert (await bucket.status()).values == len([each for each in states if each.kind == "dataset"])


async def test_a_record_that_cannot_be_read_is_made_anew(stack: Stack) -> None:
    async with stack.running():
        await stack.publish(*shop())
        await stack.settled()
    keys = [record.key async for record in GraphBuckets(stack.bus).load() if b"main.stg" in record.value]
    for bucket in (LINEAGE_DATASETS_BUCKET, LINEAGE_JOBS_BUCKET):
        for key in keys:
            await (await stack.bus.key_value(bucket)).put(key, b'{"version": "2.0"}')
    async with stack.running():
        await stack.publish(*shop({"email": "pii"}, number=2, at=LATER))
        await stack.settled()
        assert await derived(stack) == [("pii", PATH, False)]


async def test_a_record_that_is_too_large_is_kept_without_its_columns(stack: Stack) -> None:
    memory = Memory()
    made_of = {f"column {number}": [("raw", "x" * 500)] for number in range(2500)}
    memory.hear(run("wide", reads=[table("raw")], writes=[table("t", "a", made_of=made_of)]))
    (known,) = memory.known["default"].graph.jobs.values()
    job = known.model_copy(update={"columns_key": "of what they were found out from"})
    await GraphBuckets(stack.bus).write([job])
    (stored,) = [record.read() async for record in GraphBuckets(stack.bus).load()]
    assert stored == job.model_copy(update={"columns": (), "columns_key": None})


async def test_no_record_is_so_large_that_the_graph_stands_still(stack: Stack) -> None:
    def paths(second: int) -> list[Event]:
        return [table(f"{second}/{number}/{'p' * 400}") for number in range(1500)]

    events = [run("stream", "RUNNING", reads=paths(each), at=f"2026-01-01T00:00:0{each}Z") for each in range(3)]
    long = run("j", reads=[table("d" * 1_044_300)])
    async with stack.running():
        await stack.publish(*events, long, *shop({"email": "pii"}))
        await stack.settled()
        assert await derived(stack) == [("pii", PATH, False)]
    async with stack.running():  # the same by what is stored
        assert await derived(stack) == [("pii", PATH, False)]
    (stream,) = [found async for found in stored_jobs(stack) if found.name == "stream"]
    assert stream.open_runs == ()


async def test_a_record_that_somebody_deleted_is_made_anew(stack: Stack) -> None:
    async with stack.running():
        await stack.publish(*shop())
        await stack.settled()
    keys = [record.key async for record in GraphBuckets(stack.bus).load() if b"main.stg" in record.value]
    for bucket in (LINEAGE_DATASETS_BUCKET, LINEAGE_JOBS_BUCKET):
        for key in keys:
            await (await stack.bus.key_value(bucket)).delete(key)
    async with stack.running():
        await stack.publish(*shop({"email": "pii"}, number=2, at=LATER))
        await stack.settled()
        assert await derived(stack) == [("pii", PATH, False)]


async def test_how_far_the_graph_is_can_be_measured() -> None:
    reader = InMemoryMetricReader()
    metrics = GraphMetrics(MeterProvider([reader]))
    metrics.read(3, 1)
    metrics.told()
    metrics.waiting(7)
    (scope,) = reader.get_metrics_data().resource_metrics[0].scope_metrics
    points = {
        (metric.name, *point.attributes.values()): point.value
        for metric in scope.metrics
        for point in metric.data.data_points
    }
    assert points == {
        (names.GRAPH_EVENTS, "taken"): 3,
        (names.GRAPH_EVENTS, "passed over"): 1,
        (names.GRAPH_TOLD,): 1,
        (names.GRAPH_WAITING,): 7,
    }


async def test_questions_wait_for_a_service_that_has_not_read_all(stack: Stack) -> None:
    await stack.publish(*shop({"email": "pii"}))
    async with stack.running():
        answers = await asyncio.gather(*(derived(stack) for _ in range(5)))
    assert answers == [[("pii", PATH, False)]] * 5
