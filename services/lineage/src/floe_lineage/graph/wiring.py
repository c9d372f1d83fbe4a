"""Has the lineage service keep the graph, and answer what is asked of it."""

from __future__ import annotations

from datetime import UTC, datetime

from floe_chassis.topology import LINEAGE_GRAPH
from floe_contracts.lineage_requests import READ_COLUMN, READ_GRAPH, READ_IMPACT
from floe_lineage.adapters.column_reader import ColumnReader
from floe_lineage.graph.answering import GraphAnswers
from floe_lineage.graph.graph_metrics import GraphMetrics
from floe_lineage.graph.projector import Projector
from floe_lineage.wiring import Parts


def keep_graph(parts: Parts) -> None:
    """Have the service read all lineage into the graph, tell what it finds out, and answer."""
    service = parts.service
    columns = ColumnReader()
    projector = Projector(service.bus, columns, lambda: datetime.now(UTC), GraphMetrics())
    service.task("lineage graph", projector.run)
    service.check(f"consumer {LINEAGE_GRAPH}", projector.check)
    service.on_stop(columns.close)
    answers = GraphAnswers(projector)
    service.answer(READ_GRAPH, answers.graph)
    service.answer(READ_IMPACT, answers.impact)
    service.answer(READ_COLUMN, answers.column)
