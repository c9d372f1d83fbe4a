"""The names of the metrics of lineage. Labels are bounded: producers and backends are declared."""

from __future__ import annotations

from typing import Final

SCOPE: Final = "floe.lineage"

RECEIVED_EVENTS: Final = "floe.lineage.received.events"
FACET_PROBLEMS: Final = "floe.lineage.received.facet_problems"

PRODUCER: Final = "floe.lineage.producer"
OUTCOME: Final = "floe.outcome"
