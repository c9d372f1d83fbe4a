"""Runs that nobody asked for, built by a whole executor."""

from __future__ import annotations

from typing import Any

import pytest

from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import all_handled, eventually
from floe_chassis.topology import EXECUTOR_UPSTREAMS, RUNS
from floe_contracts.artifacts import read_artifact
from floe_contracts.cloudevents import decode
from floe_contracts.compiled_product import CompiledTrigger
from floe_contracts.events import LATEST, ArtifactCompiled, RunCompleted, RunRequested
from floe_contracts.openlineage.naming import Place, run_id
from floe_contracts.run_requests import compiled_run_request_id

pytestmark = [pytest.mark.bus, pytest.mark.dbt]

MODEL = {"models/orders.sql": "select 1 as id"}


async def announce(stack: Any, product: str, *triggers: CompiledTrigger) -> ArtifactCompiled:
    """What the compiler says of a product; the id of the event is `<product>:compiled`."""
    digest = await stack.compile(MODEL)
    made = read_artifact(await stack.blobs.get(digest), digest)
    identity = made.product.model_copy(update={"name": product})
    made = made.model_copy(update={"product": identity, "triggers": triggers})
    event = ArtifactCompiled(
        tenant="default",
        product=product,
        submission="s1",
        artifact_digest=await stack.blobs.put(made.to_bytes()),
        artifact=made.to_document(),
        seconds=0.1,
    )
    await stack.bus.publish(event, id=f"{product}:compiled")
    return event


async def requests(stack: Any) -> list[RunRequested]:
    read = read_stream(stack.bus.js, RUNS, "floe.v1.run.requested.>")
    events = [decode(message.subject, message.headers, message.data).event async for message in read]
    return [event for event in events if isinstance(event, RunRequested)]


async def ask(stack: Any, product: str, digest: str, cause: str) -> str:
    """Ask for a run of a product; its id."""
    request = RunRequested(
        tenant="default", environment="dev", product=product, artifact_digest=digest, requester="test", reason="test"
    )
    await stack.bus.publish(request, id=cause)
    return run_id(Place("default", "dev", product), cause)


async def test_a_compile_trigger_and_a_person_who_asks_too_are_one_run(stack: Any) -> None:
    await stack.start()
    event = await announce(stack, "shop", CompiledTrigger(type="compile"))
    cause = compiled_run_request_id("shop:compiled", "dev")
    run = await ask(stack, "shop", event.artifact_digest, cause)
    completed = await stack.completed(run)
    assert completed.artifact_digest == event.artifact_digest
    assert len(await requests(stack)) == 1
    started = [one for one in await stack.events(run) if one.kind == "run.started"]
    assert len(started) == 1
    record = await stack.record(run)
    assert (record.requester, record.trigger) in {("compile trigger", "compile"), ("test", "manual")}


async def test_products_that_wait_for_each_other_are_built_once_each(stack: Any) -> None:
    await stack.start()
    await announce(stack, "a", CompiledTrigger(type="event", event="run.completed", product="b"))
    await announce(stack, "b", CompiledTrigger(type="event", event="run.completed", product="a"))

    async def both_live() -> bool:
        bucket = await stack.bus.key_value("floe_live_products")
        return (await bucket.status()).values == 2

    await eventually(both_live)
    first = await ask(stack, "a", LATEST, "first")
    await stack.completed(first)
    second = run_id(Place("default", "dev", "b"), f"{first}:completed:b")
    completed = await stack.completed(second)
    assert isinstance(completed, RunCompleted)

    await eventually(lambda: all_handled(stack.bus, "FLOE_EVENTS", EXECUTOR_UPSTREAMS))
    assert [(request.product, request.chain, request.caused_by) for request in await requests(stack)] == [
        ("a", (), None),
        ("b", ("a",), first),
    ]
    record = (await stack.store.read(f"default.dev.b.{second}")).record
    assert (record.trigger, record.chain, record.caused_by) == ("event", ("a",), first)
