"""Who may read lineage over HTTP: tokens, tenants and environments, and what no forged request gets at."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from floe_chassis.answers import Asked
from floe_chassis.bus import Bus
from floe_chassis.errors import SettingInvalid
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings
from floe_chassis.topology import LINEAGE
from floe_contracts import subjects
from floe_contracts.errors import Permanent, Transient
from floe_contracts.lineage_requests import (
    READ_COLUMN,
    READ_GRAPH,
    READ_IMPACT,
    ColumnAnswer,
    GraphNode,
    Impact,
    LineageGraph,
    NodeField,
    ReadColumn,
    ReadGraph,
    ReadImpact,
)
from floe_gateway.app import create_app
from floe_gateway.errors import TokenShared

from .event_stream import event_source

pytestmark = pytest.mark.bus

EVENTS = "/v1/lineage/events"
GRAPH = "/v1/lineage/graph"
READERS = "catalog:acme, prod-dashboard:acme/prod, other:globex"
TOKENS = {"catalog": "token-of-catalog", "prod-dashboard": "token-of-dashboard", "other": "token-of-other"}
PLACES = [("acme", "dev"), ("acme", "prod"), ("globex", "prod"), ("acme-x", "prod")]


class Unknown(Permanent):
    """As the lineage service refuses a name that it does not know."""

    code = "FLOE-LIN-020"


class Ambiguous(Permanent):
    """As it refuses one that several datasets have."""

    code = "FLOE-LIN-021"


class Starting(Transient):
    """As it says that it is not ready."""

    code = "FLOE-LIN-023"


@pytest.fixture
def known(environment: dict[str, str]) -> dict[str, str]:
    """The environment of a gateway that knows three readers."""
    secrets = {f"LINEAGE_READER_{name.upper().replace('-', '_')}": token for name, token in TOKENS.items()}
    return environment | secrets | {"FLOE_GATEWAY_LINEAGE_READERS": READERS}


@pytest.fixture
async def asked(bus: Bus, bus_settings: ChassisSettings) -> AsyncIterator[list[tuple[str, str, Any]]]:
    """A service in place of the lineage service; tells what it was asked, and where."""
    heard: list[tuple[str, str, Any]] = []
    service = Service("lineage", bus_settings)

    def note(asked: Asked[Any]) -> GraphNode:
        heard.append((asked.tenant, asked.environment, asked.request))
        return GraphNode(id="dataset-1", kind="dataset", namespace="n", name=f"of {asked.tenant}", distance=0)

    async def graph(asked: Asked[ReadGraph]) -> LineageGraph:
        node = note(asked)
        named = {"nothing": Unknown, "many": Ambiguous, "later": Starting, "broken": ValueError}
        if error := named.get(asked.request.dataset or ""):
            raise error("what was named")
        return LineageGraph(root=node.id, nodes=(node,), edges=())

    async def impact(asked: Asked[ReadImpact]) -> Impact:
        return Impact(root=note(asked).id, entries=())

    async def column(asked: Asked[ReadColumn]) -> ColumnAnswer:
        return ColumnAnswer(root=note(asked).id, field=NodeField(name=asked.request.field), nodes=(), edges=())

    service.answer(READ_GRAPH, graph)
    service.answer(READ_IMPACT, impact)
    service.answer(READ_COLUMN, column)
    await service.start()
    yield heard
    await service.stop()


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[name]}"}


async def fill(bus: Bus) -> None:
    for tenant, environment in PLACES:
        subject = subjects.lineage(tenant, environment, "shop", "load", "START")
        await bus.publish_raw(subject, f'"{tenant}/{environment}"'.encode(), {}, uuid.uuid4().hex)


@pytest.mark.parametrize("path", [EVENTS, GRAPH, "/v1/lineage/impact", "/v1/lineage/column"])
async def test_without_the_right_token_nobody_reads(bus, gateway, known, path) -> None:
    producer = {"FLOE_GATEWAY_LINEAGE_PRODUCERS": "airflow:prod", "LINEAGE_PRODUCER_AIRFLOW": "token-of-airflow"}
    async with gateway(known | producer) as door:
        for sent in (None, "", "Bearer", "Bearer ", "Bearer other", TOKENS["catalog"], "Basic token-of-catalog",
                     "Bearer token-of-catalo", "Bearer token-of-catalogs", "Bearer token-of-airflow"):  # fmt: skip
            headers = {} if sent is None else {"Authorization": sent}
            status, problem, answered = await door.ask("GET", path, headers=headers)
            assert (status, problem["code"], answered["WWW-Authenticate"]) == (401, "FLOE-GATE-002", "Bearer")


async def test_a_gateway_with_a_token_and_no_readers_shows_nothing(bus, gateway, environment) -> None:
    async with gateway(environment | {"FLOE_GATEWAY_TOKEN": "specs"}) as door:
        for headers in ({}, {"Authorization": "Bearer specs"}):
            assert (await door.ask("GET", EVENTS, headers=headers))[0] == 401


@pytest.mark.parametrize(
    ("reader", "expected"),
    [("catalog", ["acme/dev", "acme/prod"]), ("prod-dashboard", ["acme/prod"]), ("other", ["globex/prod"])],
)
async def test_a_reader_sees_the_events_of_its_own_place_only(bus, gateway, known, reader, expected) -> None:
    await fill(bus)
    async with gateway(known) as door:
        for query in ([], [("product", "shop")], [("event_type", "start"), ("job", "load")]):
            parameters = [("from", "beginning"), *query]
            async with event_source(door.service.http_address, parameters, bearer(reader)) as source:
                found = await source.read(len(expected))
                assert [each.data.strip('"') for each in found] == expected
                infos = [each for each in await bus.js.consumers_info(LINEAGE) if each.name.startswith("gateway-")]
                assert all(info.num_pending == 0 for info in infos)


async def test_without_readers_the_gateway_shows_its_own_tenant(bus, door) -> None:
    await fill(bus)
    async with event_source(door.service.http_address, {"from": "beginning"}) as source:
        assert [each.data for each in await source.read(2)] == ['"acme/dev"', '"acme/prod"']


@pytest.mark.parametrize(
    "query",
    ["tenant=globex", "environment=dev", "environment=prod&environment=dev", "environment=*", "environment=>",
     "environment=prod.*.*.*", "environment=%2E", "environment=dev%00"],
)  # fmt: skip
async def test_a_reader_of_one_environment_asks_for_no_other(bus, gateway, known, asked, query) -> None:
    await fill(bus)
    async with gateway(known) as door:
        for path in (f"{EVENTS}?{query}", f"{GRAPH}?dataset=orders&{query}"):
            status, problem, _ = await door.ask("GET", path, headers=bearer("prod-dashboard"))
            assert (status, problem["code"]) in ((403, "FLOE-GATE-016"), (400, "FLOE-GATE-003"))
    assert asked == []


@pytest.mark.parametrize(
    ("reader", "query", "place"),
    [
        ("catalog", "", ("acme", "-")),
        ("catalog", "&environment=dev", ("acme", "dev")),
        ("catalog", "&environment=*.globex", ("acme", "*.globex")),
        ("prod-dashboard", "", ("acme", "prod")),
        ("prod-dashboard", "&environment=prod", ("acme", "prod")),
        ("other", "", ("globex", "-")),
    ],
)
async def test_the_graph_is_that_of_the_readers_place(bus, gateway, known, asked, reader, query, place) -> None:
    async with gateway(known) as door:
        status, answer, _ = await door.ask("GET", f"{GRAPH}?dataset=orders{query}", headers=bearer(reader))
    assert status == 200
    assert answer["nodes"][0]["name"] == f"of {place[0]}"
    assert [each[:2] for each in asked] == [place]


async def test_what_is_asked_of_the_graph_reaches_the_service(bus, door, asked) -> None:
    answers = [
        await door.ask("GET", path)
        for path in (
            f"{GRAPH}?job=shop.load&depth=2&direction=upstream&columns=true",
            "/v1/lineage/impact?dataset=größe ☃.*.>&field=e-mail",
            "/v1/lineage/column?dataset=orders&field=email",
        )
    ]
    assert [status for status, *_ in answers] == [200] * 3
    assert [each[2] for each in asked] == [
        ReadGraph(job="shop.load", depth=2, direction="upstream", columns=True),
        ReadImpact(dataset="größe ☃.*.>", field="e-mail"),
        ReadColumn(dataset="orders", field="email"),
    ]
    assert answers[2][1]["field"]["name"] == "email"


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("dataset=nothing", 404, "FLOE-LIN-020"),
        ("dataset=many", 409, "FLOE-LIN-021"),
        ("dataset=later", 503, "FLOE-LIN-023"),
        ("dataset=broken", 500, "FLOE-CORE-001"),
        ("", 400, "FLOE-GATE-003"),
        ("dataset=a&job=b", 400, "FLOE-GATE-003"),
        ("dataset=a&depth=0", 400, "FLOE-GATE-003"),
        ("dataset=a&depth=many", 400, "FLOE-GATE-003"),
        ("dataset=a&direction=left", 400, "FLOE-GATE-003"),
        ("dataset=a&columns=perhaps", 400, "FLOE-GATE-003"),
        ("dataset=a&version=2.0", 400, "FLOE-GATE-003"),
        ("dataset=a&dataset=b", 400, "FLOE-GATE-003"),
    ],
)
async def test_what_the_graph_does_not_answer_has_its_status(bus, door, asked, query, status, code) -> None:
    answered, problem, headers = await door.ask("GET", f"{GRAPH}?{query}")
    assert (answered, problem["code"]) == (status, code)
    assert ("Retry-After" in headers) == (status == 503)


async def test_without_a_lineage_service_the_graph_is_503(bus, door) -> None:
    status, problem, headers = await door.ask("GET", f"{GRAPH}?dataset=orders")
    assert (status, problem["code"], headers["Retry-After"]) == (503, "FLOE-BUS-002", "5")


def test_readers_are_named_rightly_or_the_gateway_does_not_start(known) -> None:
    for written in ("catalog", "catalog:", "catalog:acme/", "Cata log:acme", "a:acme,a:globex", "a:*", "a:acme/*"):
        with pytest.raises(SettingInvalid, match="FLOE_GATEWAY_LINEAGE_READERS"):
            create_app(known | {"FLOE_GATEWAY_LINEAGE_READERS": written})
    with pytest.raises(TokenShared, match="lineage-reader-catalog, lineage-reader-other"):
        create_app(known | {"LINEAGE_READER_OTHER": TOKENS["catalog"]})
