"""Sending OpenLineage over real HTTP: what is stored, what is refused, and what the answer says."""

from __future__ import annotations

import asyncio
import gzip
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from openlineage.client import OpenLineageClient, event_v2
from openlineage.client.facet_v2 import nominal_time_run, schema_dataset
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from floe_chassis.errors import SecretMissing, SettingInvalid
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import frozen
from floe_chassis.topology import LINEAGE
from floe_contracts.openlineage.core_check import CoreProblem
from floe_gateway.app import create_app
from floe_gateway.core.lineage_reception import NotNow, Refused, Stored
from floe_gateway.core.producers import ANYBODY
from floe_gateway.lineage.reception import BODY_BYTES, EVENT_BYTES
from floe_gateway.lineage.reception_metrics import ReceptionMetrics

pytestmark = pytest.mark.bus

SINGLE = "/api/v1/lineage"
BATCH = "/api/v1/lineage/batch"
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
PRODUCER = "https://example.com/airflow"


def event(number: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "eventType": "START",
        "eventTime": "2026-11-21T10:00:00Z",
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
        "run": {"runId": str(uuid.UUID(int=number))},
        "job": {"namespace": "airflow", "name": f"load-{number}"},
    } | changes


def facet(**fields: Any) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": "https://example.com/facet.json", **fields}


@pytest.fixture
def stored(bus) -> Callable[[], Any]:
    """What is on the stream by now."""

    async def read() -> list[Any]:
        return [message async for message in read_stream(bus.js, LINEAGE, "floe.v1.lineage.>")]

    return read


@pytest.fixture
def known(environment) -> dict[str, str]:
    """The environment of a gateway that knows two producers."""
    return environment | {
        "FLOE_GATEWAY_LINEAGE_PRODUCERS": "airflow:prod, spark:staging",
        "LINEAGE_PRODUCER_AIRFLOW": "token-of-airflow",
        "LINEAGE_PRODUCER_SPARK": "token-of-spark",
    }


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_an_event_is_stored_as_it_came(door, stored) -> None:
    body = b' { "eventTime": "2026-11-21T10:00:00Z", "x": 1.50, ' + json.dumps(event()).encode().lstrip(b"{") + b"\n"
    status, answer, _ = await door.ask("POST", SINGLE, data=body)
    assert (status, answer["duplicate"]) == (201, False)
    (message,) = await stored()
    assert message.data == body
    assert message.subject == "floe.v1.lineage.acme.dev.-external.load-0.start"
    assert message.headers["Nats-Msg-Id"] == answer["id"]
    assert message.headers["Floe-Job"] == "load-0"
    assert message.headers["Floe-Run-Id"] == str(uuid.UUID(int=0))
    status, answer, _ = await door.ask("POST", SINGLE, data=body)
    assert (status, answer["duplicate"]) == (201, True)
    assert len(await stored()) == 1


async def test_events_without_a_run_are_stored_too(door, stored) -> None:
    job = {key: value for key, value in event().items() if key not in ("run", "eventType")}
    dataset = {key: job[key] for key in ("eventTime", "producer", "schemaURL")}
    dataset["dataset"] = {"namespace": "s3://raw", "name": "a.csv"}
    for document in (job, dataset):
        status, *_ = await door.ask("POST", SINGLE, json=document)
        assert status == 201
    assert [message.subject.split(".")[-2:] for message in await stored()] == [
        ["load-0", "job"],
        ["a_2ecsv", "dataset"],
    ]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (json.dumps(event(run={"runId": "7"})), "/run/runId"),
        (json.dumps(event(eventType="DONE")), "/eventType"),
        (json.dumps(event(job={"namespace": "airflow"})), "/job/name"),
        (json.dumps(event(eventTime="yesterday")), "/eventTime"),
        ("{", "/"),
        ('{"a": ' + "[" * 100_000, "/"),
        ("{}", "/eventTime"),
    ],
    ids=["run-id", "event-type", "job", "time", "cut-off", "deep", "empty"],
)
async def test_a_wrong_core_is_refused_with_its_place(door, stored, body: str, place: str) -> None:
    status, problem, _ = await door.ask("POST", SINGLE, data=body)
    assert (status, problem["code"], problem["path"]) == (400, "FLOE-GATE-013", place)
    assert await stored() == []


@pytest.mark.parametrize("body", ["", "null", "7", '"text"', "[1, 2", "not json"])
async def test_what_is_no_event_at_all_is_refused(door, body: str) -> None:
    status, problem, _ = await door.ask("POST", SINGLE, data=body)
    assert (status, problem["code"]) == (400, "FLOE-GATE-013")


async def test_wrong_facets_are_stored_marked_and_counted(door, stored) -> None:
    run = {
        "runId": str(uuid.UUID(int=1)),
        "facets": {"nominalTime": facet(), "own_thing": facet(a=1), "other_thing": {}, "sql": facet(query="select 1")},
    }
    outputs = [{"namespace": "n", "name": "d", "facets": {"schema": facet(fields=[{"type": "int"}])}}]
    status, answer, headers = await door.ask("POST", SINGLE, json=event(run=run, outputs=outputs))
    assert status == 201
    assert {problem["path"] for problem in answer["facet_problems"]} == {
        "/run/facets/nominalTime",
        "/run/facets/other_thing",
        "/run/facets/sql",
        "/outputs/0/facets/schema/fields",
    }
    (message,) = await stored()
    assert message.headers["Floe-Facet-Errors"] == headers["Floe-Facet-Errors"] == str(len(answer["facet_problems"]))


async def test_a_deleted_facet_needs_nothing_else(door, stored) -> None:
    run = {"runId": str(uuid.UUID(int=1)), "facets": {"nominalTime": facet(_deleted=True)}}
    outputs = [{"namespace": "n", "name": "d", "facets": {"version": facet(_deleted=True)}}]
    status, answer, headers = await door.ask("POST", SINGLE, json=event(outputs=outputs, run=run))
    assert (status, answer.get("facet_problems"), headers.get("Floe-Facet-Errors")) == (201, None, None)
    assert len(await stored()) == 1


async def test_a_batch_is_stored_in_its_order(door, stored) -> None:
    events = [event(number) for number in range(200)]
    status, *_ = await door.send("POST", BATCH, json=events)
    assert status == 204
    assert [json.loads(message.data)["job"]["name"] for message in await stored()] == [f"load-{n}" for n in range(200)]
    status, *_ = await door.send("POST", SINGLE, json=events)
    assert status == 201
    assert len(await stored()) == 200


async def test_of_a_batch_the_right_events_are_stored_and_the_others_named(door, stored) -> None:
    large = event(2) | {"padding": "x" * EVENT_BYTES}
    status, answer, _ = await door.ask("POST", BATCH, json=[event(0), event(1, eventType="DONE"), large, 7, event(4)])
    assert status == 200
    assert answer["status"] == "partial_success"
    assert answer["summary"] == {"received": 5, "successful": 2, "failed": 3, "retriable": 0, "non_retriable": 3}
    assert [(failed["index"], failed["retriable"]) for failed in answer["failed_events"]] == [
        (1, False),
        (2, False),
        (3, False),
    ]
    assert "/eventType is one of" in answer["failed_events"][0]["reason"]
    assert [json.loads(message.data)["job"]["name"] for message in await stored()] == ["load-0", "load-4"]


async def test_an_empty_batch_is_no_mistake_and_an_object_is(door) -> None:
    status, *_ = await door.send("POST", BATCH, json=[])
    assert status == 204
    status, problem, _ = await door.ask("POST", BATCH, json=event())
    assert (status, problem["code"]) == (400, "FLOE-GATE-013")


async def test_gzip_is_unpacked(door, stored) -> None:
    body = json.dumps(event()).encode()
    for packed in (gzip.compress(body), gzip.compress(body, 1)):
        status, *_ = await door.ask("POST", SINGLE, data=packed, headers={"Content-Encoding": "gzip"})
        assert status == 201
    (message,) = await stored()
    assert message.data == body


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"not gzip", "gzip"),
        (gzip.compress(b"{}")[:-3], "gzip"),
        (gzip.compress(b"{}") + b"more", "gzip"),
        (b"{}", "br"),
    ],
    ids=["other", "cut-off", "more", "unknown"],
)
async def test_an_encoding_that_cannot_be_read_is_refused(door, body: bytes, encoding: str) -> None:
    status, problem, _ = await door.ask("POST", SINGLE, data=body, headers={"Content-Encoding": encoding})
    assert (status, problem["code"]) == (400, "FLOE-GATE-013")


async def test_too_large_is_413(door, stored) -> None:
    status, problem, _ = await door.ask("POST", SINGLE, json=event() | {"padding": "x" * EVENT_BYTES})
    assert (status, problem["code"]) == (413, "FLOE-GATE-014")
    bomb = gzip.compress(b" " * (BODY_BYTES + 1))
    status, problem, _ = await door.ask("POST", BATCH, data=bomb, headers={"Content-Encoding": "gzip"})
    assert (status, problem["code"]) == (413, "FLOE-GATE-014")
    assert await stored() == []


async def test_the_largest_event_fits_through_the_bus(door, stored) -> None:
    document = event(job={"namespace": "ä" * 4096, "name": "ü" * 4096})
    document["padding"] = "x" * (EVENT_BYTES - len(json.dumps(document | {"padding": ""}).encode()))
    body = json.dumps(document).encode()
    assert len(body) == EVENT_BYTES
    status, *_ = await door.ask("POST", SINGLE, data=body)
    assert status == 201
    (message,) = await stored()
    assert message.data == body


async def test_each_producer_has_its_token_and_its_place(bus, gateway, known, stored) -> None:
    async with gateway(known) as door:
        for number, token in enumerate(("token-of-airflow", "token-of-spark")):
            status, *_ = await door.ask("POST", SINGLE, json=event(number), headers=bearer(token))
            assert status == 201
        for headers in ({}, bearer("other"), bearer(""), {"Authorization": "token-of-airflow"}):
            status, problem, answered = await door.ask("POST", SINGLE, json=event(9), headers=headers)
            assert (status, problem["code"]) == (401, "FLOE-GATE-002")
            assert answered["WWW-Authenticate"] == "Bearer"
    assert [message.subject for message in await stored()] == [
        "floe.v1.lineage.acme.prod.-airflow.load-0.start",
        "floe.v1.lineage.acme.staging.-spark.load-1.start",
    ]


async def test_a_gateway_with_a_token_and_no_producers_takes_no_lineage(bus, gateway, environment) -> None:
    async with gateway(environment | {"FLOE_GATEWAY_TOKEN": "specs"}) as door:
        for headers in ({}, bearer("specs")):
            status, problem, _ = await door.ask("POST", SINGLE, json=event(), headers=headers)
            assert (status, problem["code"]) == (401, "FLOE-GATE-002")


def test_producers_are_named_rightly_or_the_gateway_does_not_start(environment) -> None:
    for written in ("airflow", "Air Flow:prod", "airflow:", "airflow:prod,airflow:dev"):
        with pytest.raises(SettingInvalid, match="FLOE_GATEWAY_LINEAGE_PRODUCERS"):
            create_app(environment | {"FLOE_GATEWAY_LINEAGE_PRODUCERS": written})
    with pytest.raises(SecretMissing, match="lineage-producer-airflow"):
        create_app(environment | {"FLOE_GATEWAY_LINEAGE_PRODUCERS": "airflow:prod"})


async def test_a_bus_that_hangs_is_told_and_nothing_is_lost(own_bus, own_server, gateway, environment) -> None:
    own = environment | {"FLOE_NATS_URL": own_server.url, "FLOE_GATEWAY_PUBLISH_SECONDS": "0.5"}
    async with gateway(own) as door:
        with frozen(own_server.pid):
            status, problem, headers = await door.ask("POST", SINGLE, json=event())
            assert (status, problem["code"]) == (503, "FLOE-BUS-002")
            assert int(headers["Retry-After"]) > 0
            status, answer, _ = await door.ask("POST", BATCH, json=[event(1, eventType="DONE"), event(2), event(3)])
            assert status == 200
            assert answer["summary"]["retriable"] == 2
            assert answer["summary"]["non_retriable"] == 1
        status, *_ = await door.send("POST", BATCH, json=[event(number) for number in range(4)])
        assert status == 204
    messages = [message async for message in read_stream(own_bus.js, LINEAGE, "floe.v1.lineage.>")]
    assert [json.loads(message.data)["run"]["runId"] for message in messages].count(str(uuid.UUID(int=0))) == 1
    assert len(messages) == 4


def test_what_comes_in_is_counted_by_producer_and_outcome() -> None:
    reader = InMemoryMetricReader()
    metrics = ReceptionMetrics(MeterProvider([reader]))
    wrong = (CoreProblem("/run/facets/x", "is wrong"),)
    metrics.received(ANYBODY, [Stored("1", False, wrong), Stored("2", True), Refused(wrong), NotNow("away")])
    data = reader.get_metrics_data()
    assert data is not None
    points = {
        (metric.name, point.attributes.get("floe.outcome")): point.value
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
        for point in metric.data.data_points
    }
    assert points == {
        ("floe.lineage.received.events", "stored"): 1,
        ("floe.lineage.received.events", "duplicate"): 1,
        ("floe.lineage.received.events", "refused"): 1,
        ("floe.lineage.received.events", "unavailable"): 1,
        ("floe.lineage.received.facet_problems", None): 1,
    }


async def test_the_client_of_openlineage_sends_to_it(bus, gateway, known, stored) -> None:
    def send(address: str) -> None:
        configured = {"type": "http", "url": address, "compression": "gzip"}
        key = {"type": "api_key", "apiKey": "token-of-spark"}
        client = OpenLineageClient(config={"transport": configured | {"auth": key}})
        time = "2026-11-21T10:00:00Z"
        run = event_v2.Run(str(uuid.UUID(int=1)), {"nominalTime": nominal_time_run.NominalTimeRunFacet(time)})
        job = event_v2.Job("spark", "load")
        facets = {"schema": schema_dataset.SchemaDatasetFacet([])}
        outputs = [event_v2.OutputDataset("s3://lake", "orders", facets=facets)]
        for state in (event_v2.RunState.START, event_v2.RunState.COMPLETE):
            client.emit(event_v2.RunEvent(eventTime=time, run=run, job=job, eventType=state, outputs=outputs))
        assert client.close()

    async with gateway(known) as door:
        await asyncio.to_thread(send, door.service.http_address)
    messages = await stored()
    assert [message.subject for message in messages] == [
        "floe.v1.lineage.acme.staging.-spark.load.start",
        "floe.v1.lineage.acme.staging.-spark.load.complete",
    ]
    assert [message.headers.get("Floe-Facet-Errors") for message in messages] == [None, None]
