"""What floe's runs and other producers tell, read back through the API of Feast's lineage server."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import uuid
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, TypeAlias

import aiohttp
import pytest
from feast_server import FeastServer
from marquez_demands import marquez_complaints
from products import ICEBERG, JOBS, broken, shop, warehouse
from running_stack import RunningStack, write_files

from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import all_handled, eventually
from floe_chassis.topology import LINEAGE, lineage_consumer

pytestmark = [pytest.mark.bus, pytest.mark.dbt, pytest.mark.timeout(900)]

Edge: TypeAlias = tuple[str, str, str]
"""Kind, and the names of both ends."""
FOREIGN: Final = "https://example.com/airflow"
WITHIN: Final = 300.0


def run(stack: RunningStack, folder: Path, code: int = 0) -> str:
    """`floe run` to its end; the id of the run."""
    done = stack.floe("run", folder, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    return str(json.loads(done.stdout)["run_id"])


async def all_forwarded(stack: RunningStack) -> None:
    """Wait until Feast has had all that is on the stream."""
    async with stack.bus() as bus:
        await eventually(lambda: all_handled(bus, LINEAGE, lineage_consumer("feast")), WITHIN)


async def told(stack: RunningStack, product: str) -> Counter[tuple[str, str]]:
    """Run ids and types of the run events that the stream has of a product, each with how often."""
    async with stack.bus() as bus:
        stored = read_stream(bus.js, LINEAGE, f"floe.v1.lineage.default.dev.{product}.>")
        return kinds([json.loads(message.data) async for message in stored])


def kinds(events: Iterable[dict[str, Any]]) -> Counter[tuple[str, str]]:
    return Counter((event["run"]["runId"], event["eventType"]) for event in events if "run" in event)


def of_product(events: Iterable[dict[str, Any]], product: str) -> list[dict[str, Any]]:
    return [event for event in events if re.match(rf"{product}(\.|$)", event.get("job", {}).get("name", ""))]


def edges(graph: dict[str, Any], product: str) -> set[Edge]:
    """Those between the jobs and datasets of a product."""
    return {
        (edge["edge_type"], edge["source_name"], edge["target_name"])
        for edge in graph["edges"]
        if edge["edge_type"] != "symlink" and product in edge["source_name"] + edge["target_name"]
    }


def facets_of(feast: FeastServer, namespace: str, name: str) -> dict[str, Any]:
    """Those of a dataset; none while it is not there."""
    named = [node for node in feast.read("graph")["nodes"] if (node["namespace"], node["name"]) == (namespace, name)]
    assert len(named) <= 1
    return named[0]["facets"] if named else {}


async def test_the_graph_of_a_run_is_read_back(feast: FeastServer, stack: RunningStack, tmp_path: Path) -> None:
    run_id = run(stack, write_files(tmp_path, shop("grocer")))
    await all_forwarded(stack)

    raw, staged, table = (f"grocer.main.{name}" for name in ("raw_orders", "stg_orders", "customers"))
    landed_raw, landed = f"default.dev.{raw}", f"default.dev.{table}"
    seed, view, model = (
        "grocer.seed.grocer.raw_orders",
        "grocer.model.grocer.stg_orders",
        "grocer.model.grocer.customers",
    )
    found = edges(feast.read("graph"), "grocer")
    readers = {target for kind, source, target in found if (kind, source) == ("input", table)}
    tests = readers - {f"grocer.land.{landed}", "grocer.exposure.grocer.board"}
    assert len(tests) == 2
    assert found == {
        ("output", seed, raw),
        ("input", raw, view),
        ("output", view, staged),
        ("derived", raw, staged),
        ("input", staged, model),
        ("output", model, table),
        ("derived", staged, table),
        ("input", table, "grocer.exposure.grocer.board"),
        *(("input", table, test) for test in tests),
        *((kind, *ends) for name, to in ((raw, landed_raw), (table, landed)) for kind, *ends in landing(name, to)),
        *(("parent", "grocer", job) for job in (seed, view, model, *tests, *lands(landed_raw, landed))),
    }

    tree = feast.read(f"runs/{run_id}/tree")["runs"]
    assert Counter(one["state"] for one in tree) == {"COMPLETE": 8}
    assert {one["parent_run_id"] for one in tree if one["run_id"] != run_id} == {run_id}
    assert {one["job_namespace"] for one in tree} == {JOBS}


def landing(relation: str, table: str) -> set[Edge]:
    job = f"grocer.land.{table}"
    return {("input", relation, job), ("output", job, table), ("derived", relation, table)}


def lands(*tables: str) -> list[str]:
    return [f"grocer.land.{table}" for table in tables]


async def test_what_is_known_of_a_table_is_read_back(feast: FeastServer, stack: RunningStack, tmp_path: Path) -> None:
    run(stack, write_files(tmp_path, shop("florist")))
    await all_forwarded(stack)

    staged = facets_of(feast, warehouse("florist"), "florist.main.stg_orders")
    assert {field["name"]: field["type"] for field in staged["schema"]["fields"]} == {
        "id": "INTEGER",
        "customer": "VARCHAR",
        "email": "VARCHAR",
        "amount": "DECIMAL(10,2)",
    }
    assert staged["floe_classification"]["columns"]["email"]["classification"] == "pii"
    assert {(tag["key"], tag["value"], tag["field"]) for tag in staged["tags"]["tags"]} >= {
        ("classification", "pii", "email")
    }
    landed = facets_of(feast, ICEBERG, "default.dev.florist.main.customers")
    assert landed["documentation"]["description"] == "One row per customer."
    assert [field["name"] for field in landed["schema"]["fields"]] == ["name", "contact", "revenue"]
    assert landed["version"]["datasetVersion"]
    assert feast.column_lineage(ICEBERG, "default.dev.florist.main.customers") == {
        (column, warehouse("florist"), "florist.main.customers", column) for column in ("name", "contact", "revenue")
    }


async def test_what_columns_are_made_of_is_read_back(feast: FeastServer, stack: RunningStack, tmp_path: Path) -> None:
    """It is found out after the run, and Feast reads it from events of runs only."""
    run_id = run(stack, write_files(tmp_path, shop("baker")))
    relations = warehouse("baker")
    staged, table = "baker.main.stg_orders", "baker.main.customers"
    made = {("name", "customer"), ("contact", "email"), ("revenue", "amount")}

    async def lineage() -> bool:
        found = feast.column_lineage(relations, table)
        return found >= {(column, relations, staged, source) for column, source in made}

    await eventually(lineage, WITHIN)
    # Feast shows the facets of the last event that names a dataset: of the landed table, its landing told again.
    await eventually(lambda: "floe_derived_classification" in facets_of(feast, ICEBERG, f"default.dev.{table}"), WITHIN)
    facets = facets_of(feast, ICEBERG, f"default.dev.{table}")
    (derived,) = facets["floe_derived_classification"]["columns"]["contact"]
    assert derived["classification"] == "pii"
    assert [step["field"] for step in derived["path"]][-3:] == ["email", "contact", "contact"]
    assert facets.keys() >= {"schema", "documentation", "tags", "columnLineage", "version", "catalog"}
    assert {one["state"] for one in feast.read(f"runs/{run_id}/tree")["runs"]} == {"COMPLETE"}
    sent = sorted(of_product(feast.events(), "baker"), key=lambda event: event["eventTime"])
    assert len(kinds(sent)) < len(sent)
    assert marquez_complaints(sent) == []


async def test_a_run_that_failed_has_failed_there(feast: FeastServer, stack: RunningStack, tmp_path: Path) -> None:
    run_id = run(stack, write_files(tmp_path, broken("hatter")), code=3)
    await all_forwarded(stack)
    states = {one["job_name"]: one["state"] for one in feast.read(f"runs/{run_id}/tree")["runs"]}
    assert states == {"hatter": "FAIL", "hatter.model.hatter.customers": "FAIL"}


async def test_what_is_told_while_it_is_dead_follows(feast: FeastServer, stack: RunningStack, tmp_path: Path) -> None:
    folder = write_files(tmp_path, shop("tailor"))
    feast.stop(signal.SIGKILL)
    try:
        run(stack, folder)
        sent = await told(stack, "tailor")
    finally:
        feast.start()
    await all_forwarded(stack)
    assert len(sent) == 16
    assert kinds(of_product(feast.events(), "tailor")).keys() >= sent.keys()


async def test_killed_in_the_middle_of_a_batch_it_misses_nothing(feast: FeastServer, stack: RunningStack) -> None:
    ids = [str(uuid.UUID(int=number)) for number in range(100, 200)]
    events = [foreign(kind, run_id, f"job-{run_id}") for run_id in ids for kind in ("START", "COMPLETE")]
    producer = "https://example.com/many"
    await send(stack, [event | {"producer": producer} for event in events])
    try:
        await eventually(lambda: feast.stored(producer) > 0, WITHIN)
        feast.stop(signal.SIGKILL)
        assert feast.stored(producer) < len(events)
    finally:
        feast.start()
    await all_forwarded(stack)
    there = [event for event in feast.events() if event["producer"] == producer]
    assert kinds(there).keys() == kinds(events).keys()
    states = {one["state"] for one in feast.read("runs", limit=500)["runs"] if one["run_id"] in ids}
    assert states == {"COMPLETE"}


async def test_having_lost_everything_it_gets_everything_again(
    feast: FeastServer, stack: RunningStack, tmp_path: Path
) -> None:
    run(stack, write_files(tmp_path, shop("cooper")))
    await all_forwarded(stack)
    before = edges(feast.read("graph"), "cooper")
    feast.forget()
    assert feast.events() == []
    well(stack.floe("lineage", "replay", "--backend", "feast", "--since", "1d"))
    sent = await told(stack, "cooper")
    await eventually(lambda: kinds(of_product(feast.events(), "cooper")).keys() == sent.keys(), WITHIN)
    assert edges(feast.read("graph"), "cooper") == before


async def test_other_producers_stand_beside(feast: FeastServer, stack: RunningStack) -> None:
    """An orchestrator and a task of its, as a producer sends them, some of it twice."""
    dag, task = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
    raw, loaded = ("s3://lake", "raw/orders.csv"), ("postgres://db.example.com:5432", "shop.public.orders")
    parent = facet(run={"runId": dag}, job={"namespace": "airflow", "name": "nightly"})
    columns = facet(fields={"id": {"inputFields": [dict(zip(("namespace", "name"), raw, strict=True), field="id")]}})
    sent = [
        foreign("START", dag, "nightly"),
        foreign("START", task, "nightly.load", parent),
        foreign("START", task, "nightly.load", parent),
        foreign("COMPLETE", task, "nightly.load", parent, inputs=[raw], outputs=[loaded], columnLineage=columns),
        foreign("COMPLETE", dag, "nightly"),
    ]
    await send(stack, sent)
    await all_forwarded(stack)

    tree = feast.read(f"runs/{dag}/tree")["runs"]
    assert {one["job_name"]: one["state"] for one in tree} == {"nightly": "COMPLETE", "nightly.load": "COMPLETE"}
    assert edges(feast.read("graph"), "orders") >= {
        ("input", raw[1], "nightly.load"),
        ("output", "nightly.load", loaded[1]),
        ("derived", raw[1], loaded[1]),
    }
    assert feast.column_lineage(*loaded) == {("id", *raw, "id")}
    ours = [event for event in feast.events() if event["producer"] == FOREIGN]
    assert kinds(ours) == {(run_id, kind): 1 for run_id in (dag, task) for kind in ("START", "COMPLETE")}


async def test_what_it_refuses_is_a_dead_letter_and_the_rest_arrives(feast: FeastServer, stack: RunningStack) -> None:
    """Feast breaks on a path that is no text, and tells of a batch only how many of its events failed."""
    ids = [str(uuid.UUID(int=number)) for number in range(10, 18)]
    events = [foreign("COMPLETE", run_id, f"job-{run_id}", outputs=[("s3://lake", run_id)]) for run_id in ids]
    events[3]["outputs"][0]["facets"] = {"feast_dataSource": facet(path=7)}
    await send(stack, events)
    await all_forwarded(stack)

    listed = json.loads(well(stack.floe("dlq", "list", "--consumer", lineage_consumer("feast"), "--json")))
    (letter,) = listed["letters"]
    assert "HTTP 500" in letter["reason"], letter
    there = {event["run"]["runId"] for event in feast.events() if "run" in event}
    assert there & set(ids) == set(ids) - {ids[3]}


def foreign(
    kind: str,
    run_id: str,
    job: str,
    parent: dict[str, Any] | None = None,
    inputs: Iterable[tuple[str, str]] = (),
    outputs: Iterable[tuple[str, str]] = (),
    **facets: Any,
) -> dict[str, Any]:
    """An event of somebody else; the facets are those of its outputs."""
    return {
        "eventType": kind,
        "eventTime": "2026-11-21T10:00:00Z",
        "producer": FOREIGN,
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": run_id, "facets": {"parent": parent} if parent else {}},
        "job": {"namespace": "airflow", "name": job},
        "inputs": [{"namespace": namespace, "name": name} for namespace, name in inputs],
        "outputs": [{"namespace": namespace, "name": name, "facets": facets} for namespace, name in outputs],
    }


def facet(**fields: Any) -> dict[str, Any]:
    return {"_producer": FOREIGN, "_schemaURL": "https://example.com/facet.json", **fields}


async def send(stack: RunningStack, events: list[dict[str, Any]]) -> None:
    """Hand events to the gateway, as a producer over HTTP does."""
    address = re.search(r"gateway +(http://\S+)", stack.said.read_text())
    assert address is not None
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{address.group(1)}/api/v1/lineage/batch", json=events) as answer,
    ):
        assert answer.status == 204, await answer.text()


def well(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that went well has said."""
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
