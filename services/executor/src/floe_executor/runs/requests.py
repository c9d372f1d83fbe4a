"""Recording what is asked for: runs, backfills, and the end of either."""

from __future__ import annotations

import structlog

from floe_chassis.bus import Bus
from floe_contracts.cloudevents import Attributes, Received
from floe_contracts.errors import ContractError, FloeError
from floe_contracts.events import LATEST, CancellationRequested, Problem, RunRequested
from floe_contracts.openlineage.naming import Place
from floe_contracts.runs import RunRecord, RunStatus
from floe_executor.adapters.state.backfill_store import BackfillStore
from floe_executor.adapters.state.cancellation_store import CancellationStore
from floe_executor.adapters.state.live_products import LiveProducts
from floe_executor.adapters.state.run_store import RunStore
from floe_executor.clock import now
from floe_executor.core import backfills, partitions, run_states
from floe_executor.core.backfills import BackfillRecord
from floe_executor.core.queueing import decide
from floe_executor.errors import BackfillRefused
from floe_executor.runs.endings import Endings
from floe_executor.runs.products import Products

log = structlog.get_logger(__name__)


class Requests:
    """Records requests; what waits after that is the dispatcher's."""

    def __init__(
        self,
        bus: Bus,
        store: RunStore,
        backfill_store: BackfillStore,
        cancellations: CancellationStore,
        live_products: LiveProducts,
        products: Products,
        endings: Endings,
    ) -> None:
        self._bus = bus
        self._store = store
        self._backfills = backfill_store
        self._cancellations = cancellations
        self._live = live_products
        self._products = products
        self._endings = endings

    async def record(self, received: Received[RunRequested]) -> None:
        """Record a run or a backfill as waiting, and end those whose place it takes. May be repeated.

        Raises:
            Transient: the bus or the blob store does not answer.
        """
        cause, sequence = received.attributes, received.sequence or 0
        request = await self._resolved(received.event)
        if request.partitions is not None:
            backfill = backfills.requested(request, request.partitions, cause.id, now(), sequence)
            await self._record_backfill(backfill)
        else:
            record = run_states.queued(request, cause.id, now(), sequence)
            await self._record_run(record.model_copy(update={"traceparent": cause.traceparent}), cause)

    async def cancel(self, request: CancellationRequested) -> None:
        """Mark a run or a backfill as to be ended; one that has ended stays as it is.

        The mark of one that is not known yet waits for it: the request may still be on its way.

        Raises:
            ContractError: it names nothing.
        """
        if not request.run_id:
            raise ContractError("a cancellation names no run", hint="run_id is the id of a run or of a backfill")
        place = Place(request.tenant, request.environment, request.product)
        run = await self._store.find(place, request.run_id)
        backfill = await self._backfills.find(place, request.run_id)
        if (run and run.record.status.terminal) or (backfill and backfill.record.ended_at):
            log.info("what has ended cannot be cancelled", run_id=request.run_id)
            return
        await self._cancellations.add(request)

    async def _record_run(self, record: RunRecord, cause: Attributes) -> None:
        stored = await self._store.add(record)
        if stored.record.status is not RunStatus.QUEUED:
            return
        await self._bus.publish(run_states.queued_event(stored.record), id=f"{record.run_id}:queued", cause=cause)
        if (ended := await self._apply_policy(stored.record)) is not None:
            await self._endings.end_waiting(stored, ended)

    async def _record_backfill(self, record: BackfillRecord) -> None:
        if await self._backfills.find(record.place, record.backfill) is not None:
            await self._backfills.add(record)  # whoever recorded it may have come no further
            return
        try:
            partitions.check_size(record.choice.keys)
        except BackfillRefused as refusal:
            head = backfills.head(record)
            await self._endings.add_ended(head, run_states.failed_before_start(head, Problem.of(refusal)))
            return
        ended = await self._apply_policy(backfills.head(record))
        if ended is None:
            await self._backfills.add(record)
            return
        await self._endings.add_ended(backfills.head(record), ended)

    async def _apply_policy(self, new: RunRecord) -> run_states.RunEnded | None:
        """Do what the queue policy says to the runs that wait; how the new one ends, if it does."""
        policy = await self._policy(new)
        if policy == "queue":
            return None
        waiting = {stored.record.run_id: stored async for stored in self._store.pending(new.place)}
        going_on = [backfills.head(stored.record) for stored in await self._backfills.pending(new.place)]
        parts = [one.model_copy(update={"backfill": one.run_id}) for one in going_on]
        decision = decide(policy, new, [*(stored.record for stored in waiting.values()), *parts])
        for other in decision.superseded:
            await self._endings.end_waiting(waiting[other.run_id], run_states.superseded(other, new))
        if decision.rejected_for is not None:
            return run_states.rejected(new, decision.rejected_for)
        if decision.superseded_by is not None:
            return run_states.superseded(new, decision.superseded_by)
        return None

    async def _policy(self, record: RunRecord) -> str:
        live = await self._live.find(record.place)
        if live is not None and live.artifact_digest == record.artifact_digest:
            return live.concurrency.queue
        try:
            artifact = await self._products.artifact(record.artifact_digest)
        except FloeError as error:
            # The run itself will tell what is the matter with its artifact.
            log.warning("a run waits without its product's queue policy", run_id=record.run_id, error=str(error))
            return "queue"
        return artifact.orchestration.concurrency.queue

    async def _resolved(self, request: RunRequested) -> RunRequested:
        place = Place(request.tenant, request.environment, request.product)
        if request.options.retry_of is not None:
            earlier = await self._store.find(place, request.options.retry_of)
            if earlier is not None:
                options = run_states.retrying(request.options, earlier.record.options)
                request = request.model_copy(update={"options": options})
        if request.artifact_digest != LATEST:
            return request
        live = await self._live.find(place)
        if live is None:
            return request
        return request.model_copy(update={"artifact_digest": live.artifact_digest, "source": live.source})
