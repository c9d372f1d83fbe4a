"""One product taken from its spec to its end: publish, follow the compilation, request the run, follow it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from floe_chassis.stream_reader import read_stream
from floe_chassis.topology import EVENTS
from floe_cli.follow.follower import Follower
from floe_cli.follow.progress import Progress
from floe_cli.products import Product
from floe_cli.publishing import publish_spec
from floe_cli.run_asking import REASON, Asking
from floe_cli.semantic.asking import Semantic
from floe_cli.semantic.run_waiting import CubeAnswer, cube_answer, kept_answer
from floe_cli.stack.connection import Connection
from floe_contracts import subjects
from floe_contracts.cloudevents import decode
from floe_contracts.events import RunCompleted, RunOptions, RunRequested, SemanticFailed, SemanticRendered
from floe_contracts.openlineage.naming import Place, run_id
from floe_contracts.plans import Plan
from floe_contracts.run_requests import compiled_run_request_id
from floe_contracts.subjects import EventKind


@dataclass(frozen=True, slots=True)
class SessionResult:
    """How it ended."""

    progress: Progress
    total: float
    """Seconds from the publication to the end."""
    unchanged: bool = False
    """The artifact had been run before, and nothing was asked for."""


async def compile_product(
    connection: Connection, product: Product, environment: str, changed: Callable[[Progress], None]
) -> SessionResult:
    """Publish the product's spec, and wait until it is compiled or rejected."""
    submission = str(uuid.uuid4())
    started = time.monotonic()
    follower = Follower(connection.bus, _place(connection, product, environment), submission, changed)
    async with follower.following():
        await publish_spec(connection, product, submission)
        progress = await follower.until_compiled()
    return SessionResult(progress, time.monotonic() - started)


async def plan_product(connection: Connection, product: Product, against: str | None) -> Progress:
    """Publish the product's spec as a dry run, and wait until it is planned or rejected; the plan is the whole one."""
    submission = str(uuid.uuid4())
    environment = min(product.platform.environments)
    follower = Follower(connection.bus, _place(connection, product, environment), submission, lambda _: None)
    async with follower.following():
        await publish_spec(connection, product, submission, dry_run=True, against=against)
        progress = await follower.until_compiled()
    planned = progress.planned
    if planned is None or not planned.plan.is_summary:
        return progress
    whole = Plan.read(json.loads(await connection.blobs().get(planned.plan_digest)))
    return replace(progress, planned=planned.model_copy(update={"plan": whole}))


async def run_product(
    connection: Connection,
    product: Product,
    environment: str,
    changed: Callable[[Progress], None],
    *,
    options: RunOptions = RunOptions(),  # noqa: B008  # frozen
    only_if_changed: bool = False,
) -> SessionResult:
    """Publish the product's spec, run what it compiles to, and wait until all has ended.

    Args:
        connection: the bus and its blob store.
        product: what is run.
        environment: where.
        changed: told of every new progress.
        options: what is built, and how.
        only_if_changed: run nothing if the last completed run was of the same artifact.
    """
    submission = str(uuid.uuid4())
    started = time.monotonic()
    place = _place(connection, product, environment)

    def request_of(compiled_id: str) -> str:
        return compiled_run_request_id(compiled_id, environment, options)

    follower = Follower(connection.bus, place, submission, changed, request_of=request_of)
    async with follower.following():
        await publish_spec(connection, product, submission)
        progress = await follower.until_compiled()
        compiled = progress.compiled
        if compiled is None or follower.compiled_id is None:
            return SessionResult(progress, time.monotonic() - started)
        if only_if_changed and await last_run_artifact(connection, place) == compiled.artifact_digest:
            return SessionResult(progress, time.monotonic() - started, unchanged=True)
        cause = request_of(follower.compiled_id)
        request = RunRequested(
            tenant=place.tenant,
            environment=environment,
            product=product.name,
            artifact_digest=compiled.artifact_digest,
            requester="floe run",
            reason=REASON,
            trigger="retry" if options.retry_of else "manual",
            options=options,
        )
        await connection.bus.publish(request, id=cause)
        progress = await follower.until_ended(run_id(place, cause))
        if isinstance(progress.outcome, RunCompleted):
            progress = await follower.until_told(rendered=compiled.artifact["serving"]["cube"])
            answer = await _cube_answer(connection, place, follower.compiled_id, progress)
            progress = replace(follower.progress, cube=answer)
    return SessionResult(progress, time.monotonic() - started)


async def follow_run(connection: Connection, asking: Asking, changed: Callable[[Progress], None]) -> SessionResult:
    """Ask for a run, and wait until it has ended and its tables are told of."""
    started = time.monotonic()
    follower = Follower(connection.bus, asking.place, asking.cause, changed, first=Progress.of_run())
    follower.run_id = asking.run_id
    async with follower.following():
        await asking.publish(connection)
        progress = await follower.until_ended(asking.run_id)
        if isinstance(progress.outcome, RunCompleted):
            progress = await follower.until_told(rendered=False)
    return SessionResult(progress, time.monotonic() - started)


async def last_run_artifact(connection: Connection, place: Place) -> str | None:
    """The artifact of the last completed run of a place."""
    pattern = subjects.pattern(
        EventKind.RUN_COMPLETED, tenant=place.tenant, environment=place.environment, product=place.product
    )
    last = None
    async for message in read_stream(connection.bus.js, EVENTS, pattern):
        event = decode(message.subject, message.headers, message.data).event
        last = event.artifact_digest if isinstance(event, RunCompleted) else last
    return last


async def _cube_answer(connection: Connection, place: Place, cause: str, progress: Progress) -> CubeAnswer | None:
    """What Cube makes of the bundle of a run; None where none asks for it, or nothing is to be served."""
    semantic = Semantic(connection, place.environment)
    if isinstance(progress.rendered, SemanticFailed):
        return await kept_answer(semantic, place.product)
    if isinstance(progress.rendered, SemanticRendered) and progress.rendered.live:
        return await cube_answer(semantic, place.product, cause, progress.rendered.bundle_digest)
    return None


def _place(connection: Connection, product: Product, environment: str) -> Place:
    return Place(connection.settings.tenant, environment, product.name)
