"""The run that a chain of runs of several products began with."""

from __future__ import annotations

from floe_contracts.openlineage.naming import Place
from floe_contracts.openlineage.run_facets import RunReference
from floe_contracts.runs import RunRecord
from floe_executor.adapters.state.run_store import RunStore


async def root_of(store: RunStore, record: RunRecord) -> RunReference | None:
    """The first run of the chain that led to a run, as far back as records are known; None where it leads itself.

    Raises:
        Unreachable: the bus does not answer.
    """
    root, products, caused_by = None, list(record.chain), record.caused_by
    while products and caused_by is not None:
        place = Place(record.tenant, record.environment, products.pop())
        root = RunReference(place, caused_by)
        stored = await store.find(place, caused_by)
        caused_by = stored.record.caused_by if stored else None
    return root
