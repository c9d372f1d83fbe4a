"""`GET /v1/cube/bundle` and `POST /v1/cube/verdicts`: what Cube asks, and what it tells."""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from floe_contracts.digests import is_digest
from floe_contracts.openlineage.naming import Place
from floe_contracts.semantic_states import OfferedBundle, SemanticState
from floe_semantic.adapters.cube_instances import CubeInstances
from floe_semantic.adapters.state_bucket import SemanticStates
from floe_semantic.errors import CubeRequestInvalid, NothingOffered, ProductUnserved, ProductWithdrawn
from floe_semantic.http_answers import Endpoint, read_body
from floe_semantic.sync.offers import OfferBodies, is_known, offer_tag
from floe_semantic.sync.sync_metrics import SyncMetrics
from floe_semantic.sync.verdicts import Verdict, Verdicts

BUNDLE: Final = "/v1/cube/bundle"
VERDICTS: Final = "/v1/cube/verdicts"
INSTANCE: Final = "X-Floe-Cube-Instance"
SERVING: Final = "X-Floe-Cube-Serving"

_MOST_VERDICT: Final = 16 * 1024 * 1024
_LONGEST_NAME: Final = 200


def find_place(states: SemanticStates, tenant: str, environment: str | None, product: str | None) -> Place:
    """Where a Cube belongs; what it does not say is clear where there is one only.

    Raises:
        StatesNotRead: the service does not know yet what there is.
        NothingOffered: nothing is known there.
        ProductUnserved: there are several.
    """
    states.check_read()
    if environment is not None and product is not None:
        return Place(tenant, environment, product)
    found = [
        state.place
        for state in states.known()
        if state.tenant == tenant
        and state.artifact_digest is not None
        and environment in (None, state.environment)
        and product in (None, state.product)
    ]
    if not found:
        raise NothingOffered("no product is served yet", hint="floe run, or publish one")
    if len(found) > 1:
        listed = ", ".join(f"{place.product} in {place.environment}" for place in found[:20])
        raise ProductUnserved(f"there are {len(found)} products", hint=f"name one of {listed}")
    return found[0]


def bundle_endpoint(
    tenant: str,
    states: SemanticStates,
    instances: CubeInstances,
    bodies: OfferBodies,
    verdicts: Verdicts,
    measures: SyncMetrics,
) -> Endpoint:
    """Where Cube asks for its bundle, each second: answered from memory as long as there is nothing new."""

    async def answer(request: Request) -> Response:
        query = request.query_params
        place = find_place(states, tenant, query.get("environment"), query.get("product"))
        instance, serving = _asker(request)
        if instance is not None:
            instances.heard(place, instance, serving)
        state = states.find(place)
        offer = _offer(place, state)
        if state is not None and instance is not None and _is_news(state, offer, instance, serving):
            await verdicts.confirm(place, offer.bundle_digest, instance)
        headers = {"ETag": offer_tag(offer), "Cache-Control": "no-store"}
        if is_known(request.headers.get("If-None-Match"), offer):
            measures.polled(given=False)
            return Response(status_code=304, headers=headers)
        body = await bodies.body(place, offer.bundle_digest)
        measures.polled(given=True)
        return Response(body, media_type="application/json", headers=headers)

    return answer


def verdict_endpoint(tenant: str, states: SemanticStates, verdicts: Verdicts) -> Endpoint:
    """Where Cube says whether it serves what it was offered."""

    async def answer(request: Request) -> Response:
        body = await read_body(request, _MOST_VERDICT)
        try:
            verdict = Verdict.model_validate_json(body, extra="ignore")
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "the body"
            raise CubeRequestInvalid(f"{field}: {first['msg']}") from error
        place = find_place(states, tenant, verdict.environment, verdict.product)
        answered = await verdicts.take(place, verdict)
        return Response(answered.model_dump_json(), media_type="application/json")

    return answer


def _asker(request: Request) -> tuple[str | None, str | None]:
    instance, serving = request.headers.get(INSTANCE) or None, request.headers.get(SERVING) or None
    if instance is not None and (len(instance) > _LONGEST_NAME or not instance.isprintable()):
        raise CubeRequestInvalid(f"{INSTANCE} has over {_LONGEST_NAME} characters, or some that cannot be printed")
    if serving is not None and not is_digest(serving):
        raise CubeRequestInvalid(f"{SERVING} holds no digest")
    return instance, serving


def _offer(place: Place, state: SemanticState | None) -> OfferedBundle:
    if state is None:
        raise NothingOffered(f"nothing was compiled for {place.product} in {place.environment} yet")
    if state.artifact_digest is None:
        raise ProductWithdrawn(f"{place.product} is not served in {place.environment} any more")
    if state.offered is None:
        said = state.problems[0] if state.problems else None
        raise NothingOffered(
            said.message if said else f"the bundle of {place.product} is not rendered yet",
            hint=said.hint if said else "ask again in a while",
        )
    return state.offered


def _is_news(state: SemanticState, offer: OfferedBundle, instance: str, serving: str | None) -> bool:
    """Whether the state does not know yet that this Cube serves what it is offered."""
    if serving != offer.bundle_digest:
        return False
    unproven = state.served is None or state.served.cause != offer.cause
    return unproven or any(problem.path == instance for problem in state.problems)
