"""The OpenLineage events of a run: one job for the product, one a node, one a landed table."""

from floe_contracts.openlineage.events import EventType
from floe_executor.core.lineage.closing import LineageEvent, aborted, closed
from floe_executor.core.lineage.run_lineage import RunLineage, SpanIds

__all__ = ["EventType", "LineageEvent", "RunLineage", "SpanIds", "aborted", "closed"]
