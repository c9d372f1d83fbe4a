"""Has the executor start runs by itself: by what is compiled, by the clock, by what other products do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from floe_chassis.blobs import BlobStore
from floe_chassis.service import Service
from floe_chassis.topology import EXECUTOR_ARTIFACTS, EXECUTOR_UPSTREAMS
from floe_contracts.events import ArtifactCompiled, ArtifactRetired, RunCompleted, TableCommitted
from floe_executor.adapters.state.live_products import LiveProducts
from floe_executor.adapters.state.run_store import RunStore
from floe_executor.clock import now
from floe_executor.starts.artifacts import ArtifactHandlers, Retired, nobody
from floe_executor.starts.measures import StartMeasures
from floe_executor.starts.restoring import Restoring
from floe_executor.starts.scheduler import Scheduler
from floe_executor.starts.upstreams import UpstreamHandlers


def subscribe(
    service: Service,
    *,
    blobs: BlobStore,
    live_products: LiveProducts,
    store: RunStore,
    retired: Retired = nobody,
    clock: Callable[[], datetime] = now,
) -> None:
    """Subscribe the starts to the service's bus, and add the task of the scheduler.

    Args:
        service: not started yet; its bus publishes the requests, to the consumer `executor` as anybody's.
        blobs: where artifacts are.
        live_products: on the bucket `floe_live_products`; the same that resolves `latest`.
        store: on the bucket `floe_runs`.
        retired: told of each product that is live no more, where it was.
        clock: the time, in UTC.
    """

    def wake() -> None:
        scheduler.wake()

    artifacts = ArtifactHandlers(service.bus, live_products, wake, retired)
    restoring = Restoring(service.bus, live_products)
    scheduler = Scheduler(service.bus, live_products, clock, restoring.restore)
    upstreams = UpstreamHandlers(service.bus, blobs, live_products, store, StartMeasures())
    service.subscribe_kinds(
        EXECUTOR_ARTIFACTS, {ArtifactCompiled: artifacts.compiled, ArtifactRetired: artifacts.retired}
    )
    service.subscribe_kinds(EXECUTOR_UPSTREAMS, {RunCompleted: upstreams.happened, TableCommitted: upstreams.happened})
    service.task("schedules", scheduler.run)
