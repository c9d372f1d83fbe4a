"""The requests for runs that floe makes by itself, and their ids: the same cause always makes the same request."""

from __future__ import annotations

from datetime import datetime

from floe_contracts.events import ArtifactCompiled, RunOptions, RunRequested
from floe_contracts.live_products import LiveProduct
from floe_executor.core.starts.upstreams import Upstream


def compile_request(event: ArtifactCompiled, environment: str) -> RunRequested:
    """The request of a compile trigger; its id is that of `floe_contracts.run_requests`."""
    return RunRequested(
        tenant=event.tenant,
        environment=environment,
        product=event.product,
        artifact_digest=event.artifact_digest,
        requester="compile trigger",
        reason="a new artifact was compiled",
        trigger="compile",
        source=event.source,
    )


def schedule_request(product: LiveProduct, tick: datetime) -> RunRequested:
    """The request of a tick, whose time it bears as its nominal time."""
    schedule = product.schedule
    told = f" of {schedule.cron} ({schedule.timezone})" if schedule else ""
    return RunRequested(
        tenant=product.tenant,
        environment=product.environment,
        product=product.product,
        artifact_digest=product.artifact_digest,
        requester="schedule",
        reason=f"the tick{told}",
        trigger="schedule",
        nominal_time=tick.isoformat(),
        source=product.source,
    )


def schedule_request_id(product: LiveProduct, tick: datetime) -> str:
    """The id of the request of a tick: however many schedulers see it, it is one."""
    return f"{product.tenant}:{product.product}:{product.environment}:schedule:{tick.isoformat()}"


def upstream_request(product: LiveProduct, upstream: Upstream, partition: str | None) -> RunRequested:
    """The request of an event trigger.

    Args:
        product: what is to be run.
        upstream: what happened to another product.
        partition: the one that the other product built, where both have the same.
    """
    return RunRequested(
        tenant=product.tenant,
        environment=product.environment,
        product=product.product,
        artifact_digest=product.artifact_digest,
        requester="event trigger",
        reason=f"{upstream.event} of {upstream.product}",
        trigger="event",
        options=RunOptions(partition=partition),
        caused_by=upstream.run_id,
        chain=upstream.next_chain,
        source=product.source,
    )


def upstream_request_id(event_id: str, product: LiveProduct) -> str:
    """The id of the request that an event leads to: one for each product, however many of its triggers fit."""
    return f"{event_id}:{product.product}"
