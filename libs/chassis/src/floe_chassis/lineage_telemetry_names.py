"""The names of the metrics of lineage. Labels are bounded: producers and backends are declared."""

from __future__ import annotations

from typing import Final

SCOPE: Final = "floe.lineage"

RECEIVED_EVENTS: Final = "floe.lineage.received.events"
FACET_PROBLEMS: Final = "floe.lineage.received.facet_problems"

FORWARDED_EVENTS: Final = "floe.lineage.forwarded.events"
FORWARDING_RETRIES: Final = "floe.lineage.forwarding.retries"
FORWARDING_WAITING: Final = "floe.lineage.forwarding.waiting"
FORWARDING_OLDEST_WAITING: Final = "floe.lineage.forwarding.oldest_waiting"
FORWARDING_BREAKER_OPEN: Final = "floe.lineage.forwarding.breaker_open"

PRODUCER: Final = "floe.lineage.producer"
BACKEND: Final = "floe.lineage.backend"
OUTCOME: Final = "floe.outcome"

GRAPH_EVENTS: Final = "floe.lineage.graph.events"
"""Events that the graph has read; by outcome, as some are none."""
GRAPH_WAITING: Final = "floe.lineage.graph.waiting"
"""Events that the graph has not read yet: its lag."""
GRAPH_TOLD: Final = "floe.lineage.graph.told"
"""Job events in which it told what it found out."""
