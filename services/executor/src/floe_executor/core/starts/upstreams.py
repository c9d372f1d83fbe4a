"""What happened to a product that others may build on, and which of them it starts."""

from __future__ import annotations

from dataclasses import dataclass

from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.compiled_product import CompiledTrigger
from floe_contracts.events import RunCompleted, TableCommitted
from floe_contracts.live_products import LiveProduct
from floe_contracts.runs import RunRecord


@dataclass(frozen=True, slots=True)
class Upstream:
    """An event of another product.

    Attributes:
        event: run.completed or table.committed.
        table: identifier of the table, of the latter.
        run_id: the run behind it, if floe made it.
        chain: the products whose runs led to that run.
        partition: the one that it built.
        artifact_digest: what it ran.
    """

    event: str
    product: str
    table: str | None
    run_id: str | None
    chain: tuple[str, ...]
    partition: str | None
    artifact_digest: str | None

    @property
    def next_chain(self) -> tuple[str, ...]:
        """The chain of a run that this one leads to; a product stands in it once."""
        return self.chain if self.product in self.chain else (*self.chain, self.product)


def upstream_of(event: RunCompleted | TableCommitted, run: RunRecord | None) -> Upstream:
    """What an event says, with what is known of its run."""
    return Upstream(
        event=event.kind.value,
        product=event.product,
        table=event.identifier if isinstance(event, TableCommitted) else None,
        run_id=event.run_id,
        chain=run.chain if run else (),
        partition=run.options.partition if run else event.partition if isinstance(event, RunCompleted) else None,
        artifact_digest=event.artifact_digest,
    )


def waits_for(product: LiveProduct, upstream: Upstream) -> bool:
    """Whether one of the product's triggers fits the event."""
    return any(_fits(trigger, upstream) for trigger in product.triggers)


def closes_a_circle(product: LiveProduct, upstream: Upstream) -> bool:
    """Whether the product's own run has led to the event: starting it again would never end."""
    return product.product in upstream.next_chain


def same_partitions(upstream: CompiledArtifacts, downstream: CompiledArtifacts) -> bool:
    """Whether both products are built in the same parts, so that a key of one is a key of the other."""
    partitions = upstream.orchestration.partitions
    return partitions is not None and partitions == downstream.orchestration.partitions


def _fits(trigger: CompiledTrigger, upstream: Upstream) -> bool:
    if (trigger.type, trigger.event, trigger.product) != ("event", upstream.event, upstream.product):
        return False
    # A trigger names a table as dbt does; the catalog's identifier ends with that name.
    return trigger.table is None or (upstream.table or "").rpartition(".")[2] == trigger.table
