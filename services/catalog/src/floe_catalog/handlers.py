"""What the catalog service does with the events it reads: decode, decide, tell."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from floe_catalog.core.claims import Contradiction, Missing, Verdict, event_id, identifier_of, judge, outside
from floe_catalog.core.namespaces import product_namespaces
from floe_catalog.core.ports import Lakehouse
from floe_catalog.errors import ClaimWrong, SnapshotNotThere
from floe_chassis.bus import Bus
from floe_contracts.artifacts import read_artifact
from floe_contracts.cloudevents import Received
from floe_contracts.digests import canonical_json
from floe_contracts.events import ArtifactCompiled, LandedTable, RunCompleted, TableCommitted


def on_compiled(lakehouse: Lakehouse) -> Callable[[Received[ArtifactCompiled]], Awaitable[None]]:
    """Handles a compiled artifact: its product has a namespace in every environment."""

    async def handle(received: Received[ArtifactCompiled]) -> None:
        event = received.event
        artifact = read_artifact(canonical_json(event.artifact), event.artifact_digest)
        for namespace in product_namespaces(
            artifact, event.artifact_digest, tenant=event.tenant, compiled_at=received.attributes.time
        ):
            await lakehouse.ensure(namespace)

    return handle


def on_completed(lakehouse: Lakehouse, bus: Bus) -> Callable[[Received[RunCompleted]], Awaitable[None]]:
    """Handles a completed run: tells of every table that it landed, once the table itself bears that out.

    What is right is told even when something else is wrong.
    """

    async def handle(received: Received[RunCompleted]) -> None:
        verdicts = [await _verdict(lakehouse, received.event, claim) for claim in received.event.tables]
        for verdict in verdicts:
            if isinstance(verdict, TableCommitted):
                await bus.publish(verdict, id=event_id(verdict), cause=received.attributes)
        if missing := [verdict.sentence for verdict in verdicts if isinstance(verdict, Missing)]:
            raise SnapshotNotThere("; ".join(missing))
        if wrong := [verdict.sentence for verdict in verdicts if isinstance(verdict, Contradiction)]:
            raise ClaimWrong(wrong)

    return handle


async def _verdict(lakehouse: Lakehouse, run: RunCompleted, claim: LandedTable) -> Verdict:
    identifier = identifier_of(run, claim)
    if identifier is None:
        return outside(run, claim)
    return judge(run, claim, await lakehouse.find(identifier, claim.snapshot_id))
