"""`floe lineage graph | impact | column | tail`, on what other producers told, with the lineage service beside them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from floe_chassis.bus import Bus
from floe_chassis.settings import ChassisSettings
from floe_chassis.stream_follower import Gap, Start
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import all_handled, eventually
from floe_chassis.topology import LINEAGE, LINEAGE_GRAPH, declared
from floe_chassis.topology_apply import apply
from floe_cli.exit_codes import ExitCode
from floe_cli.lineage_events import EventFilter, follow
from floe_cli.stack.services import load_service
from floe_contracts import subjects
from floe_contracts.openlineage.envelope import RUN_HEADER

pytestmark = pytest.mark.bus

Ask = Callable[..., Awaitable[Any]]
FACET = {"_producer": "https://example.com", "_schemaURL": "https://example.com/facet.json"}


def dataset(name: str, columns: Sequence[str], **made_of: tuple[str, str]) -> dict[str, Any]:
    """A dataset of a database, with the columns that its columns are made of."""
    edges = {
        column: {
            "inputFields": [
                {
                    "namespace": "db",
                    "name": source,
                    "field": field,
                    "transformations": [{"type": "DIRECT", "subtype": "IDENTITY"}],
                }
            ]
        }
        for column, (source, field) in made_of.items()
    }
    facets: dict[str, Any] = {"schema": FACET | {"fields": [{"name": name, "type": "text"} for name in columns]}}
    if edges:
        facets["columnLineage"] = FACET | {"fields": edges}
    return {"namespace": "db", "name": name, "facets": facets}


def event(job: str, inputs: list[dict[str, Any]], outputs: list[dict[str, Any]], run: int) -> dict[str, Any]:
    return {
        "eventType": "COMPLETE",
        "eventTime": "2026-11-21T10:00:00Z",
        "producer": "https://example.com",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": str(uuid.UUID(int=run))},
        "job": {"namespace": "etl", "name": job},
        "inputs": inputs,
        "outputs": outputs,
    }


def story() -> list[dict[str, Any]]:
    """raw.customers -> clean -> stg.customers -> publish -> mart.contacts; only the first says that email is pii."""
    raw = dataset("shop.raw.customers", ["id", "email"])
    tag = {"key": "classification", "value": "pii", "source": "OWNER", "field": "email"}
    raw["facets"]["tags"] = FACET | {"tags": [tag]}
    staged = dataset("shop.stg.customers", ["id", "email"], email=("shop.raw.customers", "email"))
    published = dataset("shop.mart.contacts", ["address"], address=("shop.stg.customers", "email"))
    return [
        event("clean", [raw], [staged], 1),
        event("publish", [dataset("shop.stg.customers", ["id", "email"])], [published], 2),
    ]


async def publish(bus: Bus, body: dict[str, Any], environment: str = "dev", product: str = "-etl") -> None:
    subject = subjects.lineage("default", environment, product, body["job"]["name"], body["eventType"])
    headers = {RUN_HEADER: body["run"]["runId"]}
    await bus.publish_raw(subject, json.dumps(body).encode(), headers, uuid.uuid4().hex)


@pytest.fixture
async def ask(bus: Bus, configured: ChassisSettings, floe: Callable[..., Any], tmp_path: Path) -> AsyncIterator[Ask]:
    """Calls `floe lineage` beside a lineage service that knows the story."""
    await apply(bus, declared(configured, ["file"]))
    environment = {
        "FLOE_NATS_URL": configured.nats_url,
        "FLOE_BLOBS_URL": str(configured.blobs_url),
        "FLOE_WORK_DIR": str(tmp_path / "work"),
        "FLOE_LINEAGE_FILE": str(tmp_path / "lineage.jsonl"),
    }
    service = load_service("lineage")(environment)
    await service.start()
    for body in story():
        await publish(bus, body)
    await eventually(lambda: all_handled(bus, LINEAGE, LINEAGE_GRAPH))

    async def call(*arguments: str, code: int = 0) -> Any:
        said = await asyncio.to_thread(floe, "lineage", *arguments)
        assert said.code == code, said.out + said.err
        return said

    yield call
    await service.stop()


async def test_the_graph_is_a_tree_in_both_directions(ask: Ask) -> None:
    said = await ask("graph", "stg.customers")
    assert [line.strip("│├└─ ").split("  ")[0] for line in said.out.splitlines()] == [
        "dataset shop.stg.customers",
        "made of",
        "job clean",
        "dataset shop.raw.customers",
        "goes into",
        "job publish",
        "dataset shop.mart.contacts",
    ]
    assert "COMPLETE 2026-11-21 10:00:00Z" in said.out


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["stg.customers", "--upstream"], {"shop.stg.customers", "clean", "shop.raw.customers"}),
        (["stg.customers", "--downstream"], {"shop.stg.customers", "publish", "shop.mart.contacts"}),
        (["raw.customers", "--depth", "1"], {"shop.raw.customers", "clean", "shop.stg.customers"}),
        (
            ["publish", "--job", "--upstream", "--downstream", "--depth", "1"],
            {"publish", "shop.stg.customers", "shop.mart.contacts"},
        ),
    ],
    ids=["upstream", "downstream", "depth", "job"],
)
async def test_a_part_of_the_graph_as_a_document(ask: Ask, options: list[str], names: set[str]) -> None:
    said = await ask("graph", *options, "-o", "json")
    assert {node["name"] for node in json.loads(said.out)["nodes"]} == names


async def test_the_graph_with_columns(ask: Ask) -> None:
    said = await ask("graph", "mart.contacts", "--columns")
    rows = [[cell for cell in line.split("  ") if cell.strip()] for line in said.out.splitlines()]
    derived = "pii, by what it is made of"
    assert ["shop.mart.contacts", "address", "text", derived] in [[cell.strip() for cell in row[:4]] for row in rows]
    assert "shop.stg.customers.email (identity)" in said.out


async def test_the_graph_is_drawn(ask: Ask) -> None:
    drawn = (await ask("graph", "mart.contacts", "--upstream", "-o", "dot")).out
    assert drawn.startswith("digraph lineage {")
    assert 'label="shop.stg.customers"' in drawn
    assert drawn.count("->") == 4
    drawn = (await ask("graph", "mart.contacts", "--upstream", "--columns", "-o", "mermaid")).out
    assert drawn.startswith("flowchart LR\n")
    assert '(["publish"])' in drawn
    assert '-. "email → address: identity" .->' in drawn


async def test_what_a_change_reaches(ask: Ask) -> None:
    said = await ask("impact", "raw.customers", "--column", "email")
    assert [line.split()[1:3] for line in said.out.splitlines()[1:]] == [
        ["job", "clean"],
        ["dataset", "shop.stg.customers"],
        ["job", "publish"],
        ["dataset", "shop.mart.contacts"],
    ]
    document = json.loads((await ask("impact", "raw.customers", "-c", "email", "--json")).out)
    reached = {entry["node"]["name"]: entry["columns"] for entry in document["entries"]}
    assert reached["shop.mart.contacts"] == ["address"]
    assert "nothing that is known of" in (await ask("impact", "mart.contacts")).out


async def test_why_a_column_is_what_it_is(ask: Ask) -> None:
    said = await ask("column", "mart.contacts", "address")
    lines = said.out.splitlines()
    assert lines[0] == "shop.mart.contacts.address  text  pii, by what it is made of"
    way = "shop.raw.customers.email → shop.stg.customers.email → shop.mart.contacts.address"
    assert f"pii, because shop.raw.customers.email is: {way}" in lines
    document = json.loads((await ask("column", "mart.contacts", "address", "--json")).out)
    assert document["derived"][0]["classification"] == "pii"


async def test_names_that_are_not_known_or_not_clear(ask: Ask, bus: Bus) -> None:
    said = await ask("graph", "mart.contakts", code=ExitCode.WRONG_USAGE)
    assert "FLOE-LIN-020" in said.err
    assert "contacts" in said.err
    said = await ask("graph", "customers", code=ExitCode.WRONG_USAGE)
    assert "FLOE-LIN-021" in said.err
    said = await ask("column", "mart.contacts", "adress", code=ExitCode.WRONG_USAGE)
    assert "FLOE-LIN-022" in said.err
    # In another environment nothing is known.
    for arguments in (("graph", "mart.contacts"), ("impact", "mart.contacts"), ("column", "mart.contacts", "address")):
        said = await ask(*arguments, "-e", "prod", code=ExitCode.WRONG_USAGE)
        assert "FLOE-LIN-020" in said.err


async def test_without_a_lineage_service_nothing_answers(
    bus: Bus, configured: ChassisSettings, floe: Callable[..., Any]
) -> None:
    for arguments in (("graph", "orders"), ("impact", "orders"), ("column", "orders", "id")):
        said = await asyncio.to_thread(floe, "lineage", *arguments)
        assert said.code == ExitCode.UNREACHABLE
        assert "no lineage service listens" in said.err


def test_a_folder_in_which_nothing_ran_has_no_lineage(floe: Callable[..., Any], tmp_path: Path) -> None:
    said = floe("lineage", "graph", "orders", tmp_path)
    assert said.code == ExitCode.UNREACHABLE
    assert "nothing has run" in said.err


@asynccontextmanager
async def tailing(*options: str) -> AsyncIterator[Callable[[int], Awaitable[list[str]]]]:
    """`floe lineage tail` in a process of its own; reads its next lines."""
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("floe"),
        *("lineage", "tail", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    lines = process.stdout

    async def read(count: int) -> list[str]:
        async with asyncio.timeout(60):
            return [(await lines.readline()).decode().rstrip("\n") for _ in range(count)]

    yield read
    process.send_signal(signal.SIGINT)
    await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == ExitCode.INTERRUPTED


async def publish_all(bus: Bus) -> None:
    """The story in one environment, its beginning in another one, and a run of a product that failed."""
    first, second = story()
    broken = event("broken", [], [], 3) | {"eventType": "FAIL"}
    for body, environment, product in (
        (first, "dev", "-etl"),
        (second, "dev", "-etl"),
        (first, "prod", "-etl"),
        (broken, "prod", "shop"),
    ):
        await publish(bus, body, environment, product)


async def readers(bus: Bus) -> list[int]:
    """What is still to be read, of each `floe lineage tail`."""
    infos = await bus.js.consumers_info(LINEAGE)
    return [info.num_pending or 0 for info in infos if info.name.startswith(("cli-", "test-"))]


@pytest.mark.parametrize(
    ("wanted", "jobs"),
    [
        (EventFilter(), ["clean", "publish", "clean", "broken"]),
        (EventFilter(jobs=("clean",)), ["clean", "clean"]),
        (EventFilter(products=("-etl",), environments=("dev",)), ["clean", "publish"]),
        (EventFilter(products=("-etl", "shop"), environments=("prod",)), ["clean", "broken"]),
        (EventFilter(types=("FAIL", "complete"), run=str(uuid.UUID(int=2))), ["publish"]),
        (EventFilter(run="00000000-0000-0000-0000-00000000000"), ["clean", "publish", "clean", "broken"]),
        (EventFilter(dataset="mart.contacts"), ["publish"]),
        (EventFilter(dataset="raw.customers", environments=("prod",)), ["clean"]),
        (EventFilter(dataset="customers", types=("FAIL",)), []),
        (EventFilter(dataset="aw.customers"), []),
        (EventFilter(products=(">",)), []),
        (EventFilter(jobs=("größe ☃.*",)), []),
    ],
    ids=["all", "job", "product", "products", "run", "begun-run", "dataset", "both", "none", "no-tail", "arrow", "odd"],
)
async def test_only_the_events_that_are_wanted_come(bus: Bus, wanted: EventFilter, jobs: list[str]) -> None:
    await publish_all(bus)
    found = []
    async with aclosing(follow(bus, "default", wanted, Start.OLDEST)) as events:
        for _ in jobs:
            message = await asyncio.wait_for(anext(events), 60)
            assert not isinstance(message, Gap)
            found.append(json.loads(message.data)["job"]["name"])
        waiting = asyncio.create_task(anext(events))
        await eventually(lambda: _all_read(bus))
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert found == jobs
    assert await readers(bus) == []


async def _all_read(bus: Bus) -> bool:
    return await readers(bus) == [0]


@pytest.mark.parametrize(
    ("options", "jobs"),
    [
        (["--since", "1h", "-e", "prod", "--type", "fail"], ["broken"]),
        (["--all", "-p", "-etl", "--dataset", "raw.customers"], ["clean", "clean"]),
        (["--all", "--job", "*"], []),
    ],
    ids=["since", "all", "star"],
)
async def test_a_tail_shows_what_is_asked_for_and_leaves_nothing_behind(
    bus: Bus, configured: ChassisSettings, options: list[str], jobs: list[str]
) -> None:
    await publish_all(bus)
    async with tailing(*options, "-o", "json") as read:
        assert [json.loads(line)["job"]["name"] for line in await read(len(jobs))] == jobs
        await eventually(lambda: _all_read(bus), timeout=60)

    async def nothing_left() -> bool:
        return await readers(bus) == []

    assert await eventually(nothing_left)
    assert len([message async for message in read_stream(bus.js, LINEAGE, "floe.v1.lineage.>")]) == 4


@pytest.mark.parametrize("options", [["--since", "yesterday"], ["--since", "2h", "--all"], ["--type", "DONE"]])
def test_a_tail_that_cannot_begin(configured: ChassisSettings, floe: Callable[..., Any], options: list[str]) -> None:
    said = floe("lineage", "tail", *options)
    assert said.code == ExitCode.WRONG_USAGE
