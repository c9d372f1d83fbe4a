"""Query lineage as a part of the service."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.routing import Route

from floe_semantic.adapters.open_queries import OpenQueries
from floe_semantic.core.queries.pseudonyms import pseudonyms
from floe_semantic.core.queries.windows import QueryWindows
from floe_semantic.queries.endpoints import QUERIES, take_queries
from floe_semantic.queries.query_lineage import QueryLineage
from floe_semantic.queries.query_metrics import QueryMetrics
from floe_semantic.queries.served_bundles import ServedBundles
from floe_semantic.wiring import Parts


def tell_queries(parts: Parts) -> None:
    """Tell the lineage of every query that a Cube answers."""
    service, settings = parts.service, parts.settings
    key = settings.pseudonym_key
    lineage = QueryLineage(
        service.bus,
        ServedBundles(parts.blobs, parts.states.find),
        OpenQueries(service.bus),
        pseudonyms(key.get_secret_value() if key else None),
        QueryWindows(settings.query_window_seconds),
        QueryMetrics(),
        lambda: datetime.now(UTC),
    )
    taken = take_queries(lineage, parts.states, parts.chassis.tenant)
    service.route(Route(QUERIES, parts.door.endpoint(taken), methods=["POST"]))
    service.task("queries.tell", lineage.tell)
    service.task("queries.watch", lineage.watch)
    service.on_stop(lineage.stop)
