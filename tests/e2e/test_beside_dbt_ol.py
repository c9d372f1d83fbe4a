"""Defects that the events of dbt-ol 1.54 were found to have, and floe's have not: one test each.

One stack runs a product three times while a backend is away: as a whole, with a model that fails; once mended, what
had failed or was skipped; and one slow model, until that run is cancelled. Where events are at hand that dbt-ol has
emitted, the same test looks for the defect there.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import web
from e2e_project import ROOT
from lineage_product import BROKEN_FILE, MENDED, lineage_product
from marquez_demands import marquez_complaints
from running_stack import RunningStack, write_files

from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import eventually
from floe_chassis.topology import LINEAGE
from floe_contracts.openlineage.core_check import check_core
from floe_contracts.openlineage.envelope import JOB
from floe_contracts.subjects import lineage_pattern
from floe_gateway.adapters.standard_facets import facet_problems

pytestmark = [pytest.mark.bus, pytest.mark.dbt]

Event = dict[str, Any]

SHARED: Final = Path(os.environ.get("FLOE_SAMPLES") or ROOT.parent / "shared" / "samples").parent
VALIDATOR: Final = SHARED / "tools" / "openlineage_validate.py"
SLOW: Final = "shop.model.shop.slow"
RELATIONS: Final = "duckdb://default.dev.shop"


@dataclass(frozen=True)
class Told:
    """What three runs told.

    Attributes:
        stack: that they ran on.
        away: a socket at the address of the backend; nobody listens yet.
        failed: events of the run with a failing model, in their order.
        retried: of the one that built what was left.
        cancelled: of the one that was ended in the middle of a model.
        runs: the ids of the three, in that order.
    """

    stack: RunningStack
    away: socket.socket
    failed: Sequence[Event]
    retried: Sequence[Event]
    cancelled: Sequence[Event]
    runs: tuple[str, str, str]

    @property
    def all(self) -> list[Event]:
        return [*self.failed, *self.retried, *self.cancelled]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    root = tmp_path_factory.mktemp("beside_dbt_ol")
    with socket.socket() as away:
        away.bind(("127.0.0.1", 0))
        product = write_files(root / "shop", lineage_product(f"http://127.0.0.1:{away.getsockname()[1]}"))
        stack = RunningStack(root / "stack", {"FLOE_LINEAGE_PLATFORM_FILE": str(product / "platform.yaml")})
        try:
            failed = json.loads(stack.floe("run", product, "--json").stdout)
            (product / BROKEN_FILE).write_text(MENDED)
            retried = json.loads(stack.floe("run", product, "--retry", "--json").stdout)
            assert (failed["status"], retried["status"]) == ("failed", "completed"), (failed, retried)
            asked = stack.floe("runs", "request", "shop", "-s", "slow", "--vars", "{rows: 200000000000}", "--json")
            cancelled = json.loads(asked.stdout)["run_id"]
            asyncio.run(_until_working(stack, cancelled))
            ended = stack.floe("runs", "cancel", cancelled)
            assert ended.returncode == 0, ended.stdout + ended.stderr
            runs = (failed["run_id"], retried["run_id"], cancelled)
            events = asyncio.run(_until_ended(stack, runs))
            yield Told(stack, away, *(events[run] for run in runs), runs=runs)
        finally:
            stack.stop()


async def _until_working(stack: RunningStack, run: str) -> None:
    """Wait until the stream has the START of the slow model, which works for hours."""
    async with stack.bus() as bus:
        await eventually(lambda: _has(bus, run, lambda event: event["job"]["name"] == SLOW), timeout=120)


async def _until_ended(stack: RunningStack, runs: Sequence[str]) -> dict[str, list[Event]]:
    async with stack.bus() as bus:
        for run in runs:
            await eventually(
                lambda run=run: _has(bus, run, lambda e: e["run"]["runId"] == run and e["eventType"] != "START"),  # type: ignore[misc]
                timeout=120,
            )
        return {run: await _events(bus, run) for run in runs}


async def _events(bus: Any, run: str) -> list[Event]:
    """What the executor told of a run so far."""
    messages = [message async for message in read_stream(bus.js, LINEAGE, "floe.v1.lineage.default.dev.shop.>")]
    return [json.loads(message.data) for message in messages if message.headers.get("Floe-Run-Id") == run]


async def _has(bus: Any, run: str, wanted: Callable[[Event], bool]) -> bool:
    return any(wanted(event) for event in await _events(bus, run))


async def enrichment(stack: RunningStack, job: str) -> Event:
    """What the lineage service told of a job last, as soon as it has told of it."""
    async with stack.bus() as bus:

        async def found() -> list[Event]:
            return [event for event in await _enrichments(bus) if event["job"]["name"] == job]

        return (await eventually(found, timeout=60))[-1]


async def _enrichments(bus: Any) -> list[Event]:
    pattern = lineage_pattern("default", "dev", "shop", event_type=JOB)
    return [json.loads(message.data) async for message in read_stream(bus.js, LINEAGE, pattern)]


@pytest.fixture(scope="module")
def peer() -> Callable[..., list[Event]]:
    """Events that dbt-ol has emitted, by the names of the files; the test is skipped where there are none."""

    def read(*names: str) -> list[Event]:
        folder = SHARED / "samples" / "dbt-ol-events"
        if not folder.is_dir():
            pytest.skip(f"floe has not the defect; whether dbt-ol has it was not looked at, without {folder}")
        return [json.loads(line) for name in names for line in (folder / f"{name}.jsonl").read_text().splitlines()]

    return read


Peer = Callable[..., list[Event]]


def of_node(events: Sequence[Event], name: str, kind: str = "COMPLETE") -> Event:
    (found,) = [e for e in events if e["job"]["name"] == f"shop.{name}" and e["eventType"] == kind]
    return found


def datasets(events: Sequence[Event]) -> Iterator[Event]:
    return (dataset for event in events for side in ("inputs", "outputs") for dataset in event[side])


def order(events: Sequence[Event]) -> dict[tuple[str, str], int]:
    return {(event["run"]["runId"], event["eventType"]): number for number, event in enumerate(events)}


def test_1_what_happens_is_told_while_it_happens(told: Told, peer: Peer) -> None:
    # The run was cancelled once the START of the slow model was there, which has not ended.
    slow = [event["eventType"] for event in told.cancelled if event["job"]["name"] == SLOW]
    assert slow == ["START", "ABORT"]
    kinds = [event["eventType"] for event in told.failed]
    assert kinds.index("COMPLETE") < len(kinds) - 1 - kinds[::-1].index("START")
    assert (
        of_node(told.failed, "model.shop.contacts", "START")["eventTime"]
        > of_node(told.failed, "model.shop.people")["eventTime"]
    )
    theirs = [event["eventType"] for event in peer("dbt-ol")]
    assert theirs.index("COMPLETE") > len(theirs) - 1 - theirs[::-1].index("START")


async def test_2_a_backend_that_is_away_holds_nothing_up_and_misses_nothing(told: Told) -> None:
    def of_runs(events: Sequence[Event]) -> list[tuple[str, str]]:
        return [(event["run"]["runId"], event["eventType"]) for event in events if "run" in event]

    # All three runs have ended, and nobody has listened at the backend's address so far.
    assert all(event["eventType"] != "START" for event in (told.failed[-1], told.retried[-1], told.cancelled[-1]))
    sent = of_runs(told.all)
    async with _serving(told.away) as taken:
        await eventually(lambda: len(of_runs(taken)) >= len(sent), timeout=150)
        got = of_runs(taken)
    assert Counter(got) == Counter(sent)
    for runs in (told.failed, told.retried, told.cancelled):
        assert [each for each in got if each in of_runs(runs)] == of_runs(runs)


@asynccontextmanager
async def _serving(address: socket.socket) -> Any:
    taken: list[Event] = []

    async def take(request: web.Request) -> web.Response:
        document = json.loads(await request.read())
        taken.extend(document if isinstance(document, list) else [document])
        return web.Response(status=201)

    application = web.Application(client_max_size=64 * 2**20)
    application.router.add_post("/api/v1/lineage", take)
    application.router.add_post("/api/v1/lineage/batch", take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.SockSite(runner, address).start()
    try:
        yield taken
    finally:
        await runner.cleanup()


def test_3_seeds_are_inputs_and_have_events(told: Told, peer: Peer) -> None:
    (read,) = of_node(told.failed, "model.shop.people")["inputs"]
    assert (read["namespace"], read["name"]) == (RELATIONS, "shop.main.raw_people")
    (written,) = of_node(told.failed, "seed.shop.raw_people")["outputs"]
    assert written["name"] == read["name"]
    theirs = peer("dbt-ol")
    assert [e["inputs"] for e in theirs if ".stg_customers." in e["job"]["name"] and "run" in e["job"]["name"]] == [
        [],
        [],
    ]
    assert not [event for event in theirs if "raw_" in event["job"]["name"]]


def test_4_a_skipped_test_has_not_failed(told: Told, peer: Peer) -> None:
    skipped = [event for event in told.failed if "not_null_lengths_number" in event["job"]["name"]]
    assert skipped == []
    assert not [event for event in told.failed if event["job"]["name"] == "shop.model.shop.after"]
    theirs = peer("dbt-ol-fail")
    assert not [event for event in theirs if event["job"]["name"].endswith("customer_orders.build.run")]
    (tested,) = [
        e for e in theirs if e["job"]["name"].endswith("customer_orders.build.test") and e["eventType"] == "FAIL"
    ]
    results = tested["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert {result["success"] for result in results} == {False}  # of a table that was never built


def test_5_a_failed_model_says_why(told: Told, peer: Peer) -> None:
    failed = of_node(told.failed, "model.shop.lengths", "FAIL")
    assert "Could not convert string 'ann'" in failed["run"]["facets"]["errorMessage"]["message"]
    (theirs,) = [e for e in peer("dbt-ol-modelfail") if e["eventType"] == "FAIL" and e["inputs"]]
    assert "errorMessage" not in theirs["run"]["facets"]


def test_6_a_job_is_called_the_same_whatever_command_ran_it(told: Told, peer: Peer) -> None:
    names = {
        e["job"]["name"]
        for e in told.all
        if e["job"]["name"].endswith(("lengths", "slow")) and "land" not in e["job"]["name"]
    }
    assert names == {SLOW, "shop.model.shop.lengths"}
    assert [SLOW in {e["job"]["name"] for e in events} for events in (told.failed, told.cancelled)] == [True, True]
    theirs = {e["job"]["name"] for e in peer("dbt-ol", "dbt-ol-modelfail") if "stg_orders" in e["job"]["name"]}
    assert {"floe.main.floe_demo.stg_orders", "floe.main.floe_demo.stg_orders.build.run"} < theirs


def test_7_tests_write_nothing(told: Told) -> None:
    tests = [event for event in told.all if event["job"]["facets"]["jobType"]["jobType"] == "TEST"]
    assert len(tests) > 8
    assert [event["outputs"] for event in tests if event["outputs"]] == []


async def test_8_columns_come_from_real_columns_only_and_say_how(told: Told, peer: Peer) -> None:
    """Through `exclude`, two common table expressions, `*` and a union whose sides call a column differently."""
    event = await enrichment(told.stack, "shop.model.shop.contacts")
    facets = event["outputs"][0]["facets"]
    people = {"namespace": RELATIONS, "name": "shop.main.people"}
    email = people | {"field": "email"}
    direct = [{"type": "DIRECT", "subtype": subtype, "masking": False} for subtype in ("IDENTITY", "TRANSFORMATION")]
    assert facets["columnLineage"]["fields"] == {
        "address": {"inputFields": [email | {"transformations": direct}]},
        "times": {"inputFields": []},
    }
    whole = {(each["field"], each["transformations"][0]["subtype"]) for each in facets["columnLineage"]["dataset"]}
    assert whole == {("email", "GROUP_BY"), ("id", "FILTER")}
    (derived,) = facets["floe_derived_classification"]["columns"]["address"]
    assert (derived["classification"], [step["field"] for step in derived["path"]]) == ("pii", ["email", "address"])

    theirs = peer("dbt-ol")
    named = {dataset["name"] for dataset in datasets(theirs)}
    made_of = [
        source
        for dataset in datasets(theirs)
        for column in dataset["facets"].get("columnLineage", {}).get("fields", {}).values()
        for source in column["inputFields"]
    ]
    assert "paid" in {source["name"] for source in made_of} - named  # a common table expression
    assert not any(source["transformations"] for source in made_of)


def test_9_types_need_no_catalog_file(told: Told, peer: Peer) -> None:
    (grown,) = of_node(told.failed, "model.shop.grown")["outputs"]  # incremental, and documented nowhere
    fields = {field["name"]: field["type"] for field in grown["facets"]["schema"]["fields"]}
    assert fields == {"id": "INTEGER", "price": "DECIMAL(9,2)"}
    (theirs,) = next(e for e in peer("dbt-ol") if "daily_revenue" in e["job"]["name"] and e["eventType"] == "COMPLETE")[
        "outputs"
    ]
    assert "schema" not in theirs["facets"]


def test_10_what_columns_are_and_tags_stand_on_the_dataset(told: Told, peer: Peer) -> None:
    people = of_node(told.failed, "model.shop.people")
    (written,) = people["outputs"]
    assert written["facets"]["floe_classification"]["columns"] == {
        "email": {"classification": "pii", "piiType": "email", "sensitivity": "high"}
    }
    tags = {(tag["key"], tag["value"], tag.get("field")) for tag in written["facets"]["tags"]["tags"]}
    assert tags > {("daily", "true", None), ("domain", "sales", None), ("tier", "gold", None)}
    assert tags > {("classification", "pii", "email"), ("sensitivity", "high", "email"), ("pii_type", "email", "email")}
    assert written["facets"]["ownership"]["owners"] == [{"name": "crm@example.com"}]
    assert "tags" not in people["run"]["facets"]
    theirs = peer("dbt-ol")
    assert "pii" not in json.dumps(list(datasets(theirs)))
    assert not [dataset for dataset in datasets(theirs) if "tags" in dataset.get("facets", {})]


def test_11_results_of_tests_stand_where_the_specification_has_them(told: Told, peer: Peer) -> None:
    def places(events: Sequence[Event]) -> set[str]:
        return {
            place
            for dataset in datasets(events)
            for place in ("facets", "inputFacets")
            if "dataQualityAssertions" in dataset.get(place, {})
        }

    assert places(told.all) == {"inputFacets"}
    assert places(peer("dbt-ol")) == {"facets", "inputFacets"}


def test_12_a_dataset_is_not_named_after_the_path_of_a_file(told: Told, peer: Peer) -> None:
    assert {dataset["namespace"] for dataset in datasets(told.all)} == {RELATIONS, "iceberg://default/dev"}
    assert {dataset["namespace"] for dataset in datasets(peer("dbt-ol"))} == {"duckdb://floe.duckdb"}


def test_13_the_schema_of_every_facet_stands_at_an_address_that_never_changes(told: Told, peer: Peer) -> None:
    def wandering(events: Sequence[Event]) -> list[str]:
        text = json.dumps(events)
        return [url for url in text.split('"') if "/tree/main/" in url and url.endswith(".json")]

    assert wandering(told.all) == []
    assert wandering(peer("dbt-ol"))


def test_what_the_peer_does_not_tell_at_all(told: Told, peer: Peer) -> None:
    def keys(events: Sequence[Event]) -> set[str]:
        held = [
            *(event["run"].get("facets", {}) for event in events),
            *(dataset.get(place, {}) for dataset in datasets(events) for place in ("facets", "outputFacets")),
        ]
        return {key for facets in held for key in facets}

    wanted = {"outputStatistics", "version", "lifecycleStateChange", "catalog", "storage", "hierarchy", "datasetType"}
    wanted |= {"executionParameters", "jobDependencies", "symlinks", "icebergCommitReport"}
    assert wanted <= keys(told.all)
    assert wanted & keys(peer("dbt-ol", "dbt-ol-catalog", "dbt-ol-fail", "dbt-ol-modelfail")) == set()


async def test_who_reads_a_table_outside_of_runs_is_found_by_its_impact(told: Told) -> None:
    """The peer tells it in a facet of its own."""
    await enrichment(told.stack, "shop.exposure.shop.board")
    reached = told.stack.floe("lineage", "impact", "shop.main.contacts", told.stack.folder, "--json")
    assert reached.returncode == 0, reached.stderr
    assert "shop.exposure.shop.board" in {entry["node"]["name"] for entry in json.loads(reached.stdout)["entries"]}


def test_every_event_of_every_kind_is_valid(told: Told) -> None:
    schemas = _strict_schemas()
    assert [problem for event in told.all for problem in schemas.problems(event)] == []
    kinds = Counter((event["job"]["facets"]["jobType"]["jobType"], event["eventType"]) for event in told.all)
    assert set(kinds) == {
        *((kind, ended) for kind in ("SEED", "SNAPSHOT", "PYTHON", "LANDING") for ended in ("START", "COMPLETE")),
        *(("MODEL", ended) for ended in ("START", "COMPLETE", "FAIL", "ABORT")),
        *(("TEST", ended) for ended in ("START", "COMPLETE")),
        *(("PRODUCT", ended) for ended in ("START", "COMPLETE", "FAIL", "ABORT")),
    }


async def test_every_event_of_the_lineage_service_is_valid(told: Told) -> None:
    await enrichment(told.stack, "shop.land.default.dev.shop.main.contacts")
    async with told.stack.bus() as bus:
        events = await _enrichments(bus)
    schemas = _strict_schemas()
    assert [problem for event in events for problem in schemas.problems(event)] == []
    # As floe itself checks those of others, without the specification's own files.
    assert [problem for event in (*told.all, *events) for problem in check_core(event) + facet_problems(event)] == []
    _checked_by_a_stranger("".join(f"{json.dumps(event)}\n" for event in events))


def _strict_schemas() -> Any:
    """The validator of the contracts' own tests."""
    file = ROOT / "libs" / "contracts" / "tests" / "conftest.py"
    found = importlib.util.spec_from_file_location("strict_openlineage_schemas", file)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module.OpenLineageSchemas()


def test_what_is_told_has_what_marquez_asks_for(told: Told) -> None:
    assert marquez_complaints(told.all) == []


@pytest.mark.parametrize("number", [0, 1, 2], ids=["failed", "retried", "cancelled"])
def test_what_floe_exports_is_what_was_told_and_a_stranger_finds_nothing_wrong(told: Told, number: int) -> None:
    exported = told.stack.floe("lineage", "export", told.stack.folder, "--run", told.runs[number])
    assert exported.returncode == 0, exported.stderr
    events = [json.loads(line) for line in exported.stdout.splitlines()]
    assert [e for e in events if "run" in e] == list((told.failed, told.retried, told.cancelled)[number])
    _checked_by_a_stranger(exported.stdout)


def _checked_by_a_stranger(lines: str) -> None:
    if not VALIDATOR.is_file():
        pytest.skip(f"nobody else has validated it: there is no {VALIDATOR}")
    command = [sys.executable, str(VALIDATOR), "-"]
    checked = subprocess.run(command, input=lines, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    assert f"{len(lines.splitlines())} events, 0 problems" in checked.stdout
