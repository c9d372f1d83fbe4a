"""The service on a real bus with a real blob store: an artifact in, bundles and events out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from nats.aio.msg import Msg

from floe_chassis.blobs import BlobStore, open_blobs
from floe_chassis.bus import Bus
from floe_chassis.dead_letters import DeadLetter, read_dead_letter
from floe_chassis.errors import SettingInvalid
from floe_chassis.settings import ChassisSettings
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import eventually
from floe_chassis.topology import ARTIFACTS, DLQ, EVENTS, SEMANTIC
from floe_contracts import subjects
from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.cloudevents import MESSAGE_ID, Attributes, Received, decode, encode
from floe_contracts.digests import canonical_json, digest_of
from floe_contracts.events import ArtifactCompiled, SemanticFailed, SemanticRendered
from floe_contracts.nodes import NodeGraph
from floe_contracts.subjects import EventKind
from floe_semantic.app import create_app
from floe_semantic.core.rendering.render import render

pytestmark = pytest.mark.bus

PROD = {"pii": ("mask", ("data_owner",))}

MakeArtifact = Callable[..., CompiledArtifacts]
Outcomes = Callable[..., Awaitable[list[Received[Any]]]]


@pytest.fixture
def blobs(bus_settings: ChassisSettings) -> BlobStore:
    return open_blobs(bus_settings.blobs_url)


@pytest.fixture(autouse=True)
async def semantic(bus: Bus, bus_settings: ChassisSettings) -> AsyncIterator[None]:
    service = create_app(
        {
            "FLOE_NATS_URL": bus_settings.nats_url,
            "FLOE_BLOBS_URL": str(bus_settings.blobs_url),
            "FLOE_RETRY_SECONDS": "0.2",
            "FLOE_ACK_WAIT": "2",
            "FLOE_SEMANTIC_CONCURRENCY": "1",
        }
    )
    await service.start()
    yield
    await service.stop()


@pytest.fixture
def outcomes(bus: Bus) -> Outcomes:
    """The service's events, once there are as many as expected."""

    async def read() -> list[Received[Any]]:
        messages = [message async for message in read_stream(bus.js, EVENTS, f"{subjects.ROOT}.semantic.>")]
        return [decode(message.subject, message.headers, message.data) for message in messages]

    async def wait(count: int) -> list[Received[Any]]:
        async def enough() -> list[Received[Any]]:
            found = await read()
            assert len(found) >= count
            return found

        found = await eventually(enough)
        assert len(found) == count
        return sorted(found, key=lambda received: str(received.attributes.id))

    return wait


@pytest.fixture
def dead_letter(bus: Bus) -> Callable[[], Awaitable[DeadLetter]]:
    """The one dead letter of the service."""

    async def read() -> list[Msg]:
        return [message async for message in read_stream(bus.js, DLQ, subjects.dead_letter(ARTIFACTS, SEMANTIC))]

    async def wait() -> DeadLetter:
        (letter,) = await eventually(read)
        assert letter.headers is not None
        return read_dead_letter(letter.headers, letter.data)

    return wait


def compiled(of: CompiledArtifacts, **changes: Any) -> ArtifactCompiled:
    fields: dict[str, Any] = {
        "tenant": "default",
        "product": "shop",
        "submission": "s1",
        "artifact_digest": of.digest(),
        "artifact": of.to_document(),
        "seconds": 0.1,
    }
    return ArtifactCompiled(**{**fields, **changes})


async def stored(graph: NodeGraph, blobs: BlobStore) -> str:
    return await blobs.put(canonical_json(graph.model_dump(mode="json")))


async def test_every_environment_is_rendered_and_stored(
    bus: Bus, blobs: BlobStore, outcomes: Outcomes, shop: NodeGraph, make_artifact: MakeArtifact
) -> None:
    digest = await stored(shop, blobs)
    artifact = make_artifact(dev={}, prod=PROD, nodes={"dev": digest, "prod": digest})
    await bus.publish(compiled(artifact), id="shop:s1:a")
    dev, prod = await outcomes(2)
    assert [received.attributes.id for received in (dev, prod)] == ["shop:s1:a:dev", "shop:s1:a:prod"]
    assert (prod.attributes.causeid, prod.attributes.source) == ("shop:s1:a", "floe/semantic")
    event = prod.event
    assert isinstance(event, SemanticRendered)
    assert (event.environment, event.artifact_digest) == ("prod", artifact.digest())
    assert (event.cubes, event.views) == (("customers", "orders"), ("board",))
    document = json.loads(await blobs.get(event.bundle_digest))
    assert document["version"] == "1.1"
    files = {path: (await blobs.get(file)).decode() for path, file in document["files"].items()}
    assert files == render(artifact, shop, "prod").files
    assert dev.event.bundle_digest != event.bundle_digest


async def test_the_same_event_twice_has_one_outcome(
    bus: Bus, blobs: BlobStore, outcomes: Outcomes, shop: NodeGraph, make_artifact: MakeArtifact
) -> None:
    artifact = make_artifact(prod=PROD, nodes={"prod": await stored(shop, blobs)})
    event = compiled(artifact)
    headers, body = encode(event, Attributes(id="shop:s1:a", source="test", time=datetime.now(UTC)))
    for message_id in ("first", "second"):
        await bus.publish_raw(event.subject(), body, {**headers, MESSAGE_ID: message_id}, id=message_id)
    later = make_artifact(prod={}, nodes=dict.fromkeys(["prod"], await stored(shop, blobs)))
    await bus.publish(compiled(later, submission="s2"), id="shop:s2:b")
    first, second = await outcomes(2)
    assert [first.attributes.id, second.attributes.id] == ["shop:s1:a:prod", "shop:s2:b:prod"]


async def test_an_artifact_without_exposed_models_fails(
    bus: Bus, blobs: BlobStore, outcomes: Outcomes, shop: NodeGraph, make_artifact: MakeArtifact
) -> None:
    graph = shop.model_copy(update={"nodes": ()})
    artifact = make_artifact(
        dev={}, prod={}, nodes={"dev": await stored(graph, blobs), "prod": await stored(shop, blobs)}
    )
    await bus.publish(compiled(artifact), id="a")
    dev, prod = await outcomes(2)
    assert isinstance(dev.event, SemanticFailed)
    assert [problem.code for problem in dev.event.problems] == ["FLOE-SEM-001"]
    assert dev.event.problems[0].hint
    assert isinstance(prod.event, SemanticRendered)


async def test_a_claim_that_cube_cannot_name_fails(
    bus: Bus, blobs: BlobStore, outcomes: Outcomes, shop: NodeGraph, make_artifact: MakeArtifact
) -> None:
    artifact = make_artifact(row_owner=("brand", "my brand"), prod={}, nodes={"prod": await stored(shop, blobs)})
    await bus.publish(compiled(artifact), id="a")
    (failed,) = await outcomes(1)
    assert [problem.code for problem in failed.event.problems] == ["FLOE-SEM-002"]


async def test_nothing_is_rendered_where_cube_is_switched_off(
    bus: Bus, blobs: BlobStore, outcomes: Outcomes, shop: NodeGraph, make_artifact: MakeArtifact
) -> None:
    digest = await stored(shop, blobs)
    await bus.publish(compiled(make_artifact(cube=False, prod={})), id="off")
    await bus.publish(compiled(make_artifact(prod={}, nodes={"prod": digest}), submission="s2"), id="on")
    (rendered,) = await outcomes(1)
    assert rendered.attributes.id == "on:prod"


async def test_a_node_graph_that_comes_later_is_waited_for(
    bus: Bus, blobs: BlobStore, outcomes: Outcomes, shop: NodeGraph, make_artifact: MakeArtifact
) -> None:
    content = canonical_json(shop.model_dump(mode="json"))
    artifact = make_artifact(prod={}, nodes={"prod": digest_of(content)})
    await bus.publish(compiled(artifact), id="a")

    async def delivered() -> bool:
        info = await bus.js.consumer_info(ARTIFACTS, SEMANTIC)
        return bool(info.num_redelivered)

    await eventually(delivered)
    await blobs.put(content)
    (rendered,) = await outcomes(1)
    assert isinstance(rendered.event, SemanticRendered)


async def test_fields_of_a_newer_minor_are_ignored(
    bus: Bus, blobs: BlobStore, outcomes: Outcomes, shop: NodeGraph, make_artifact: MakeArtifact
) -> None:
    graph = {**shop.model_dump(mode="json"), "groups": [], "checks": [{"unique_id": "x", "name": "y", "severity": 1}]}
    artifact = make_artifact(prod={}, nodes={"prod": await blobs.put(canonical_json(graph))})
    document = {**artifact.to_document(), "version": "1.7.0", "signature": "none"}
    event = compiled(artifact, artifact=document, artifact_digest=digest_of(canonical_json(document)))
    headers, body = encode(event, Attributes(id="a", source="test", time=datetime.now(UTC)))
    newer = json.dumps({**json.loads(body), "compiler": {"threads": 8}}).encode()
    await bus.publish_raw(event.subject(), newer, headers, id="a")
    (rendered,) = await outcomes(1)
    assert rendered.event.artifact_digest == event.artifact_digest


async def test_rubbish_is_a_dead_letter(bus: Bus, dead_letter: Callable[[], Awaitable[DeadLetter]]) -> None:
    subject = f"{subjects.ROOT}.{EventKind.ARTIFACT_COMPILED}.default.shop"
    await bus.publish_raw(subject, b"\xff\x00 no event", {}, id="rubbish")
    letter = await dead_letter()
    assert letter.body == b"\xff\x00 no event"


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda event: event.model_copy(update={"artifact_digest": digest_of(b"other")}), "FLOE-ART-001"),
        (
            lambda event: event.model_copy(
                update={
                    "artifact": {**event.artifact, "version": "9.0.0"},
                    "artifact_digest": digest_of(canonical_json({**event.artifact, "version": "9.0.0"})),
                }
            ),
            "FLOE-BUS-001",
        ),
    ],
)
async def test_artifacts_that_break_their_contract_are_dead_letters(
    bus: Bus,
    dead_letter: Callable[[], Awaitable[DeadLetter]],
    make_artifact: MakeArtifact,
    spoil: Callable[[ArtifactCompiled], ArtifactCompiled],
    code: str,
) -> None:
    await bus.publish(spoil(compiled(make_artifact(prod={}))), id="a")
    letter = await dead_letter()
    assert letter.code == code


@pytest.mark.parametrize("content", [b"no json", b'{"project": "shop"}'])
async def test_a_node_graph_that_breaks_its_contract_fails_where_it_belongs(
    bus: Bus,
    blobs: BlobStore,
    outcomes: Outcomes,
    shop: NodeGraph,
    make_artifact: MakeArtifact,
    content: bytes,
) -> None:
    nodes = {"dev": await blobs.put(content), "prod": await stored(shop, blobs)}
    await bus.publish(compiled(make_artifact(dev={}, prod={}, nodes=nodes)), id="a")
    failed, rendered = await outcomes(2)
    assert (failed.attributes.id, rendered.attributes.id) == ("a:dev:failed", "a:prod")
    assert [problem.code for problem in failed.event.problems] == ["FLOE-BUS-001"]


async def test_an_environment_that_has_to_wait_holds_back_no_other(
    bus: Bus, blobs: BlobStore, outcomes: Outcomes, shop: NodeGraph, make_artifact: MakeArtifact
) -> None:
    """The NodeGraph of the first is not in the store yet."""
    nodes = {"dev": digest_of(b"later"), "prod": await stored(shop, blobs)}
    await bus.publish(compiled(make_artifact(dev={}, prod={}, nodes=nodes)), id="a")
    (rendered,) = await outcomes(1)
    assert rendered.attributes.id == "a:prod"


async def test_a_service_without_blobs_does_not_start(bus_settings: ChassisSettings) -> None:
    with pytest.raises(SettingInvalid, match="FLOE_BLOBS_URL"):
        create_app({"FLOE_NATS_URL": bus_settings.nats_url})
