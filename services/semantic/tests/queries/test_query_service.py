"""What Cube tells of its queries, in at the HTTP door and out on the lineage stream."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import aiohttp
import pytest
import structlog

from floe_chassis.blobs import open_blobs
from floe_chassis.bus import Bus
from floe_chassis.errors import RequestRefused
from floe_chassis.http_server import HttpServer
from floe_chassis.key_values import keys_below
from floe_chassis.nats_server import NatsServer
from floe_chassis.requests import ask
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import eventually
from floe_chassis.topology import LINEAGE, OPEN_QUERIES_BUCKET
from floe_contracts.digests import canonical_json
from floe_contracts.events import ArtifactCompiled
from floe_contracts.lineage_requests import READ_IMPACT, ReadImpact
from floe_contracts.nodes import NodeGraph
from floe_contracts.openlineage.naming import Place
from floe_lineage.app import create_app as create_lineage_app
from floe_semantic.adapters.open_queries import SILENT_FOR, OpenQueries
from floe_semantic.app import create_app
from floe_semantic.core.queries.pseudonyms import pseudonymous, pseudonyms
from floe_semantic.core.queries.records import QueryRecord
from floe_semantic.core.queries.windows import query_of
from floe_semantic.queries import query_lineage
from floe_semantic.queries.endpoints import MOST_BYTES

pytestmark = pytest.mark.bus

PLACE = Place("default", "prod", "shop")
TOKEN = "the token of Cube in these tests"
MakeEvent = Callable[..., dict[str, Any]]
Lineage = Callable[[int], Awaitable[list[dict[str, Any]]]]


class Schemas(Protocol):
    def problems(self, event: dict[str, Any]) -> list[str]: ...


class Client:
    """A Cube's part of the HTTP door."""

    def __init__(self, session: aiohttp.ClientSession, service: Service) -> None:
        self.service = service
        self.bundle_digest = ""
        self._session = session

    async def bundle(self) -> str | None:
        """The digest of the bundle that is offered."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with self._session.get(f"{self.service.http_address}/v1/cube/bundle", headers=headers) as answer:
            return str((await answer.json())["bundle_digest"]) if answer.status == 200 else None

    async def post(self, *events: Any, token: str = TOKEN, **batch: Any) -> tuple[int, Any]:
        """Status and document of the answer to a batch."""
        document = {
            "version": "1.0",
            "instance": "cube-1",
            "cube_version": "1.7.43",
            "environment": "prod",
            "product": "shop",
            "dropped": 0,
            "events": [self._served(event) for event in events],
            **batch,
        }
        return await self.send(json.dumps(document).encode(), token=token)

    async def send(self, body: bytes, *, token: str = TOKEN) -> tuple[int, Any]:
        """The same, of any body."""
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.service.http_address}/v1/cube/queries"
        async with self._session.post(url, data=body, headers=headers) as answer:
            return answer.status, await answer.json()

    def _served(self, event: Any) -> Any:
        return {**event, "bundle_digest": self.bundle_digest} if isinstance(event, dict) else event


@pytest.fixture
def settings(bus_settings: ChassisSettings) -> dict[str, str]:
    return {
        "FLOE_NATS_URL": bus_settings.nats_url,
        "FLOE_BLOBS_URL": str(bus_settings.blobs_url),
        "FLOE_RETRY_SECONDS": "0.2",
        "FLOE_ACK_WAIT": "2",
        "FLOE_HTTP_PORT": "0",
        "FLOE_SEMANTIC_CUBE_TOKEN": TOKEN,
        "FLOE_SEMANTIC_PSEUDONYM_KEY": "a key that only the service has",
        "FLOE_SEMANTIC_QUERY_WINDOW_SECONDS": "0",
    }


@contextlib.asynccontextmanager
async def running(settings: dict[str, str]) -> AsyncIterator[Client]:
    service = create_app(settings)
    async with HttpServer(service), aiohttp.ClientSession() as session:
        await service.start()
        try:
            yield Client(session, service)
        finally:
            await service.stop()


async def offered(client: Client, bus: Bus, settings: dict[str, str], shop: NodeGraph, make_artifact: Any) -> str:
    """Have the service offer the shop; the digest of the artifact."""
    blobs = open_blobs(bus.settings.blobs_url) if not settings else open_blobs(settings["FLOE_BLOBS_URL"])
    nodes = await blobs.put(canonical_json(shop.model_dump(mode="json")))
    artifact = make_artifact(prod={"pii": ("mask", ("data_owner",))}, nodes={"prod": nodes})
    await blobs.put(artifact.to_bytes())
    event = ArtifactCompiled(
        tenant="default",
        product="shop",
        submission="s1",
        artifact_digest=artifact.digest(),
        artifact=artifact.to_document(),
        seconds=0.1,
    )
    await bus.publish(event, id="shop:s1")
    client.bundle_digest = await eventually(client.bundle) or ""
    return str(artifact.digest())


@pytest.fixture
async def client(bus: Bus, settings: dict[str, str], shop: NodeGraph, make_artifact: Any) -> AsyncIterator[Client]:
    """A service that offers the shop and tells every query."""
    async with running(settings) as found:
        await offered(found, bus, settings, shop, make_artifact)
        yield found


@pytest.fixture
def lineage(bus: Bus) -> Lineage:
    """The events on the lineage stream, once there are as many; then no more of them."""

    async def read() -> list[dict[str, Any]]:
        messages = [message async for message in read_stream(bus.js, LINEAGE, "floe.v1.lineage.default.prod.shop.>")]
        return [json.loads(message.data) for message in messages]

    async def wait(count: int) -> list[dict[str, Any]]:
        async def enough() -> list[dict[str, Any]]:
            found = await read()
            assert len(found) >= count
            return found

        found = await eventually(enough)
        assert len(found) == count
        return found

    return wait


async def test_a_query_is_on_the_stream_as_a_run(
    client: Client, lineage: Lineage, make_event: MakeEvent, openlineage: Schemas, bus: Bus
) -> None:
    assert await client.post(make_event()) == (202, {"version": "1.0", "taken": 1, "unreadable": 0})
    start, complete = await lineage(2)
    assert [problem for event in (start, complete) for problem in openlineage.problems(event)] == []
    assert [start["eventType"], complete["eventType"]] == ["START", "COMPLETE"]
    assert [each["name"] for each in complete["inputs"]] == ["warehouse.main.orders"]
    fields = complete["outputs"][0]["facets"]["columnLineage"]["fields"]
    assert fields["orders.revenue"]["inputFields"][0]["field"] == "amount"
    told = complete["run"]["facets"]["floe_query"]
    assert told["bundleDigest"] == client.bundle_digest
    assert told["artifactDigest"].startswith("sha256:")
    assert complete["run"]["facets"]["processing_engine"]["version"] == "1.7.43"
    (first, _) = [message async for message in read_stream(bus.js, LINEAGE, "floe.v1.lineage.>")]
    assert first.subject.startswith("floe.v1.lineage.default.prod.shop.shop_2ecube_2eorders_2e")
    assert b"ann@example.com" not in first.data
    assert b"acme" not in first.data


async def test_a_batch_that_comes_twice_is_one_run(client: Client, lineage: Lineage, make_event: MakeEvent) -> None:
    await client.post(make_event())
    await client.post(make_event())
    await client.post(make_event(request="another"))
    events = await lineage(4)
    assert len({event["run"]["runId"] for event in events}) == 2
    assert len({event["job"]["name"] for event in events}) == 1


async def test_a_batch_that_another_service_has_taken_is_the_same_run(
    client: Client, lineage: Lineage, make_event: MakeEvent, settings: dict[str, str]
) -> None:
    await client.post(make_event())
    await lineage(2)
    async with running(settings) as other:
        other.bundle_digest = await eventually(other.bundle) or ""
        await other.post(make_event(), make_event(request="behind it"))
        assert len({event["run"]["runId"] for event in await lineage(4)}) == 2


async def test_alike_queries_are_told_twice_with_their_number(
    bus: Bus,
    lineage: Lineage,
    make_event: MakeEvent,
    settings: dict[str, str],
    shop: NodeGraph,
    make_artifact: Any,
) -> None:
    async with running({**settings, "FLOE_SEMANTIC_QUERY_WINDOW_SECONDS": "3600"}) as client:
        await offered(client, bus, settings, shop, make_artifact)
        for start in range(0, 500, 100):
            await client.post(*(make_event(request=str(start + n), user=f"user {n % 7}") for n in range(100)))
        await lineage(2)
    events = await lineage(4)
    alike = [event["run"]["facets"]["floe_query"]["alike"] for event in events if event["eventType"] == "COMPLETE"]
    assert [(each["queries"], each["users"]) for each in alike] == [(1, 1), (499, 7)]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"no json", 400),
        (b"[]", 400),
        (b'{"version": "2.0"}', 400),
        (b'{"version": "1.0", "instance": "c", "environment": "prod", "product": "nix", "events": []}', 400),
        (b'{"version": "1.0", "instance": "c", "environment": "dev", "product": "shop", "events": []}', 400),
        (b'{"version": "1.0", "instance": "c", "environment": "prod", "product": "shop", "events": {}}', 400),
        (b'{"version": "1.0", "instance": "c", "environment": "prod", "product": "shop", "dropped": -1}', 400),
        (b" " * (MOST_BYTES + 1), 413),
        (b"[" * 100_000, 400),
    ],
    ids=["text", "list", "major", "product", "environment", "events", "dropped", "large", "deep"],
)
async def test_what_is_no_batch_is_refused(client: Client, body: bytes, status: int) -> None:
    answered, problem = await client.send(body)
    assert answered == status
    assert problem["code"].startswith("FLOE-SEM-")


async def test_only_cube_may_tell(client: Client, make_event: MakeEvent) -> None:
    status, problem = await client.post(make_event(), token="another token")
    assert (status, problem["code"]) == (401, "FLOE-SEM-013")


async def test_a_record_that_is_none_spoils_no_other_and_losses_are_said(
    client: Client, lineage: Lineage, make_event: MakeEvent
) -> None:
    deep: dict[str, Any] = {"member": "orders.status", "operator": "equals"}
    for _ in range(300):
        deep = {"and": [deep]}
    rubbish = [
        "text",
        {},
        make_event(kind="other"),
        make_event(started_at="yesterday"),
        make_event(members=["'; drop table orders"]),
        make_event(queries=[]),
        make_event(queries=[{"filters": [deep]}]),
        make_event(sql=["x" * 30_000]),
        make_event(user="x" * 1_000),
        make_event(members=[f"orders.m{n}" for n in range(2_000)]),
    ]
    with structlog.testing.capture_logs() as logs:
        status, answer = await client.post(*rubbish, make_event(), dropped=42)
        assert (status, answer["taken"], answer["unreadable"]) == (202, 1, len(rubbish))
        await lineage(2)
        await eventually(lambda: any(each["event"] == "query.lost" for each in logs))
    (lost,) = [each for each in logs if each["event"] == "query.lost"]
    assert (lost["dropped_by_cube"], lost["unreadable"]) == (42, len(rubbish))


async def test_a_query_of_a_bundle_that_nobody_knows_is_told_without_tables(
    client: Client, lineage: Lineage, make_event: MakeEvent
) -> None:
    client.bundle_digest = "sha256:" + 64 * "0"
    await client.post(make_event())
    _, complete = await lineage(2)
    assert (complete["eventType"], complete["inputs"]) == ("COMPLETE", [])


async def test_a_long_query_is_remembered_until_it_ends_also_by_another_service(
    client: Client, bus: Bus, lineage: Lineage, make_event: MakeEvent, settings: dict[str, str]
) -> None:
    await client.post(make_event(kind="started"))
    bucket = await bus.key_value(OPEN_QUERIES_BUCKET)
    (key,) = await keys_below(bucket, ">")
    assert key.startswith("default.prod.shop.cube-1.")
    kept = (await bucket.get(key)).value or b""
    assert b"ann@example.com" not in kept
    assert b"acme" not in kept
    async with running(settings) as other:
        other.bundle_digest = await eventually(other.bundle) or ""
        await other.post(make_event(announced=True))
        assert [event["eventType"] for event in await lineage(2)] == ["START", "COMPLETE"]
    assert await keys_below(bucket, ">") == []


async def test_a_query_that_nothing_is_heard_of_any_more_is_aborted(
    client: Client, bus: Bus, lineage: Lineage, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_lineage, "_LOOK_SECONDS", 0.1)
    make = pseudonyms("a key that only the service has")
    lost, alive = (
        query_of(
            PLACE,
            "cube-1",
            "1.7.43",
            pseudonymous(QueryRecord.model_validate(make_event(kind="started", request=name)), PLACE.tenant, make),
        )
        for name in ("lost", "alive")
    )
    open_queries, now = OpenQueries(bus), datetime.now(UTC)
    await open_queries.remember(alive, now)
    await open_queries.remember(lost, now - SILENT_FOR - timedelta(seconds=1))
    # The service looks again half a minute after it started; a new one does so at once.
    service = client.service
    async with running(
        {
            "FLOE_NATS_URL": service.settings.nats_url,
            "FLOE_BLOBS_URL": str(service.settings.blobs_url),
            "FLOE_HTTP_PORT": "0",
        }
    ):
        start, aborted = await lineage(2)
    assert (start["eventType"], aborted["eventType"]) == ("START", "ABORT")
    assert start["run"]["runId"] == aborted["run"]["runId"]
    told = aborted["run"]["facets"]["floe_query"]
    assert (told["user"], told["rowOwners"]) == (lost.record.user, lost.record.row_owners)
    assert aborted["run"]["facets"]["errorMessage"]["message"] == "nothing was heard of its end"
    assert len(await keys_below(await bus.key_value(OPEN_QUERIES_BUCKET), ">")) == 1


async def test_what_comes_while_the_bus_is_away_is_to_be_sent_again_and_told_once(
    own_bus: Bus,
    own_server: NatsServer,
    own_settings: ChassisSettings,
    make_event: MakeEvent,
    settings: dict[str, str],
    shop: NodeGraph,
    make_artifact: Any,
) -> None:
    async with running({**settings, "FLOE_NATS_URL": own_settings.nats_url}) as client:
        await offered(client, own_bus, settings, shop, make_artifact)
        own_server.kill()
        status, problem = await client.post(make_event())
        assert (status, problem["code"]) == (503, "FLOE-BUS-002")
        own_server.start()

        async def taken() -> bool:
            return (await client.post(make_event()))[0] == 202

        await eventually(taken, 60)
        assert len([message async for message in read_stream(own_bus.js, LINEAGE, "floe.v1.lineage.>")]) == 2


async def test_the_impact_of_a_column_shows_the_queries_that_use_it(
    client: Client, bus: Bus, lineage: Lineage, make_event: MakeEvent, settings: dict[str, str]
) -> None:
    graph = create_lineage_app(
        {"FLOE_NATS_URL": settings["FLOE_NATS_URL"], "FLOE_BLOBS_URL": settings["FLOE_BLOBS_URL"]}
    )
    await graph.start()
    try:
        of_status = [{"dimensions": ["orders.status"]}]
        await client.post(
            make_event(),
            make_event(queries=of_status, request="2", members=["orders.status"], shown=["orders.status"], filtered=[]),
        )

        async def reached() -> list[tuple[str, tuple[str, ...]]]:
            request = ReadImpact(dataset="warehouse.main.orders", field="amount")
            try:
                answer = await ask(bus, READ_IMPACT, request, tenant="default", environment="prod")
            except RequestRefused as error:
                raise AssertionError("the graph has not read it yet") from error
            assert len(answer.entries) == 2
            return [(entry.node.kind, entry.columns) for entry in answer.entries]

        assert await eventually(reached) == [("job", ()), ("dataset", ("orders.revenue",))]
    finally:
        await graph.stop()
