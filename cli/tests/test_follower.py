"""Following a product on a real bus, with the test in the place of the services."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from floe_chassis.answers import Asked
from floe_chassis.bus import Bus
from floe_chassis.dead_letters import DeadLetter, bury
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings
from floe_chassis.testing import eventually
from floe_chassis.topology import COMPILER, EXECUTOR, RUNS, SPECS
from floe_cli.errors import RunGivenUp, SubmissionGivenUp
from floe_cli.follow import follower as follower_module
from floe_cli.follow.follower import Follower
from floe_cli.follow.progress import Progress
from floe_cli.follow.session import compile_product, run_product
from floe_cli.products import Product, read_product
from floe_cli.stack.connection import Connection
from floe_contracts.cloudevents import decode
from floe_contracts.errors import Unreachable
from floe_contracts.events import (
    ArtifactCompiled,
    LandedTable,
    RunCompleted,
    RunSeconds,
    SemanticRendered,
    SpecSubmitted,
    TableCommitted,
)
from floe_contracts.openlineage.naming import Place
from floe_contracts.semantic_requests import LIST_SERVED, ListServed, ServedList

pytestmark = pytest.mark.bus


@pytest.fixture
def connection(bus: Bus, configured: ChassisSettings) -> Connection:
    return Connection(bus, configured)


@pytest.fixture
def shop(product: Any) -> Product:
    return read_product(product())


async def message_on(bus: Bus, stream: str) -> Any:
    """The only message of a stream, once it is there."""

    async def stored() -> bool:
        return (await bus.js.stream_info(stream)).state.messages == 1

    await eventually(stored)
    return await bus.js.get_msg(stream, 1)


async def give_up(bus: Bus, stream: str, consumer: str) -> None:
    """What the chassis of a service does with a message that it cannot handle."""
    message = await message_on(bus, stream)
    letter = DeadLetter(
        subject=message.subject,
        stream=stream,
        sequence=1,
        consumer=consumer,
        deliveries=5,
        reason="FLOE-BLOB-001: it is not there",
        code="FLOE-BLOB-001",
        headers=message.headers,
        body=message.data,
    )
    await bury(bus, letter)


async def test_a_submission_that_was_given_up_is_not_waited_for(connection: Connection, shop: Product) -> None:
    following = asyncio.create_task(compile_product(connection, shop, "dev", lambda _: None))
    await give_up(connection.bus, SPECS, COMPILER)
    with pytest.raises(SubmissionGivenUp, match="it is not there"):
        await asyncio.wait_for(following, 60)


async def test_a_run_request_that_was_given_up_is_not_waited_for(
    connection: Connection, shop: Product, compiled: ArtifactCompiled
) -> None:
    seen: list[Progress] = []
    following = asyncio.create_task(run_product(connection, shop, "dev", seen.append))
    message = await message_on(connection.bus, SPECS)
    submitted = decode(message.subject, message.headers, message.data).event
    assert isinstance(submitted, SpecSubmitted)
    answer = compiled.model_copy(update={"submission": submitted.submission})
    await connection.bus.publish(compiled, id="of another submission")
    await connection.bus.publish(answer, id="compiled")
    await give_up(connection.bus, RUNS, EXECUTOR)
    with pytest.raises(RunGivenUp, match="it is not there"):
        await asyncio.wait_for(following, 60)
    assert [progress.compiled for progress in seen] == [answer]


async def test_what_came_while_the_bus_was_away_is_read_from_the_stream(
    connection: Connection, compiled: ArtifactCompiled
) -> None:
    await connection.bus.publish(compiled, id="compiled")
    follower = Follower(connection.bus, Place("default", "dev", "shop"), "s1", lambda _: None)
    progress = await asyncio.wait_for(follower.until_compiled(), 60)
    assert progress.compiled == compiled


async def test_tables_that_dbt_wrote_itself_are_told_without_the_mark_of_a_run(connection: Connection) -> None:
    """And one that it only made, and wrote nothing to, has no commit to be told of."""
    place = {"tenant": "default", "environment": "dev", "product": "shop"}
    facts = {"table_uuid": "u", "rows": 1, "files": 1, "bytes": 1}
    tables = [
        LandedTable(identifier=f"gold.{name}", unique_id=name, snapshot_id=snapshot_id, mode="attached", **facts)
        for name, snapshot_id in (("orders", 7), ("empty", -1))
    ]
    completed = RunCompleted(
        **place,
        run_id="r1",
        artifact_digest="sha256:00",
        attempt=1,
        nodes=(),
        tables=tuple(tables),
        lineage_events=0,
        seconds=RunSeconds(run=1.0, land=0.5),
    )
    follower = Follower(connection.bus, Place(**place), "s1", lambda _: None)
    await connection.bus.publish(completed, id="completed")
    await asyncio.wait_for(follower.until_ended("r1"), 60)
    for run_id, snapshot_id in (("r0", 6), (None, 7)):
        event = TableCommitted(
            **place, identifier="gold.orders", snapshot_id=snapshot_id, operation="append", run_id=run_id, **facts
        )
        await connection.bus.publish(event, id=f"u:{snapshot_id}")

    progress = await asyncio.wait_for(follower.until_told(rendered=False), 60)
    assert progress.committed == {("gold.orders", 7)}


async def test_a_bundle_is_waited_for_as_long_as_a_semantic_service_is_there(
    connection: Connection, compiled: ArtifactCompiled, bus_settings: ChassisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cube's own compiler may look at it for minutes."""
    monkeypatch.setattr(follower_module, "_TELL_SECONDS", 0.0)
    first = Progress(compiled=compiled)
    follower = Follower(connection.bus, Place("default", "dev", "shop"), "s1", lambda _: None, first=first)
    with pytest.raises(Unreachable, match="the semantic service did not tell"):
        await follower.until_told(rendered=True)
    asked = asyncio.Event()

    async def listed(_: Asked[ListServed]) -> ServedList:
        asked.set()
        return ServedList(products=())

    service = Service("semantic", bus_settings)
    service.answer(LIST_SERVED, listed)
    await service.start()
    try:
        waiting = asyncio.create_task(follower.until_told(rendered=True))
        await asyncio.wait_for(asked.wait(), 60)
        rendered = SemanticRendered(
            tenant="default",
            environment="dev",
            product="shop",
            artifact_digest=compiled.artifact_digest,
            bundle_digest="sha256:00",
            cubes=(),
            views=(),
            skipped=(),
        )
        await connection.bus.publish(rendered, id="rendered")
        assert (await asyncio.wait_for(waiting, 60)).rendered == rendered
    finally:
        await service.stop()
