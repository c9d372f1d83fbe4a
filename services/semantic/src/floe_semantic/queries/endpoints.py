"""`POST /v1/cube/queries`: what Cubes tell of the queries that they answered."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from floe_contracts.openlineage.naming import Place
from floe_semantic.adapters.state_bucket import SemanticStates
from floe_semantic.core.queries.records import read_batch
from floe_semantic.errors import ProductUnserved
from floe_semantic.http_answers import Endpoint, read_body
from floe_semantic.queries.query_lineage import QueryLineage

QUERIES: Final = "/v1/cube/queries"
MOST_BYTES: Final = 8 * 1024 * 1024


def take_queries(lineage: QueryLineage, states: SemanticStates, tenant: str) -> Endpoint:
    """The endpoint; it answers 202 with how many were taken and how many are unreadable.

    Args:
        lineage: what becomes of them.
        states: which products are served.
        tenant: whose they are.
    """

    async def take(request: Request) -> Response:
        batch = read_batch(await read_body(request, MOST_BYTES))
        states.check_read()
        place = Place(tenant, batch.environment, batch.product)
        if states.find(place) is None:
            raise ProductUnserved(
                f"{batch.product} is not served in {batch.environment}",
                hint="set FLOE_PRODUCT and FLOE_ENVIRONMENT for Cube",
            )
        await lineage.take(place, batch)
        taken = {"version": "1.0", "taken": len(batch.records), "unreadable": batch.unreadable}
        return JSONResponse(taken, status_code=202)

    return take
