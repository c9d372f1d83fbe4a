"""`GET /v1/cube/bundle` and `POST /v1/cube/verdicts`: what Cube asks, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from floe_contracts.digests import is_digest
from floe_contracts.openlineage.naming import Place
from floe_contracts.semantic_states import OfferedBundle, SemanticState
from floe_contracts.suggestions import meant_or_known
from floe_semantic.adapters.cube_instances import CubeInstances
from floe_semantic.adapters.state_bucket import SemanticStates
from floe_semantic.errors import CubeRequestInvalid, NothingOffered, ProductUnserved, ProductWithdrawn
from floe_semantic.http_answers import Endpoint, read_body
from floe_semantic.sync.attempts import MOST_ENDINGS, OfferAttempts
from floe_semantic.sync.offers import OfferBodies, is_known, offer_tag
from floe_semantic.sync.sync_metrics import SyncMetrics
from floe_semantic.sync.verdicts import Spoken, Verdict, Verdicts

BUNDLE: Final = "/v1/cube/bundle"
VERDICTS: Final = "/v1/cube/verdicts"
INSTANCE: Final = "X-Floe-Cube-Instance"
START: Final = "X-Floe-Cube-Start"
SERVING: Final = "X-Floe-Cube-Serving"
REFUSED: Final = "X-Floe-Cube-Refused"

_MOST_VERDICT: Final = 16 * 1024 * 1024
_LONGEST_NAME: Final = 200
_MOST_LISTED: Final = 20


@dataclass(frozen=True, slots=True)
class _Asker:
    """A Cube, as it says itself.

    Attributes:
        instance: what it calls itself.
        process: which start of it this is.
        serving: the bundle that it serves.
        refused: the bundle that it turned down last.
        known: the ETag of what it was given last.
    """

    instance: str | None
    process: str | None
    serving: str | None
    refused: str | None
    known: str | None


def find_place(states: SemanticStates, tenant: str, environment: str | None, product: str | None) -> Place:
    """Where a Cube belongs; what it does not say is clear where there is one only.

    Raises:
        StatesNotRead: the service does not know yet what there is.
        NothingOffered: nothing is known there.
        ProductWithdrawn: what is known there is not served any more.
        ProductUnserved: there are several.
    """
    states.check_read()
    if environment is not None and product is not None:
        return Place(tenant, environment, product)
    matching = [
        state
        for state in states.known()
        if state.tenant == tenant and environment in (None, state.environment) and product in (None, state.product)
    ]
    found = [state.place for state in matching if state.artifact_digest is not None]
    if matching and not found:
        listed = ", ".join(f"{state.product} in {state.environment}" for state in matching[:_MOST_LISTED])
        raise ProductWithdrawn(f"no product is served any more: {listed}")
    if not found:
        raise _unknown(states, tenant, environment, product)
    if len(found) > 1:
        listed = ", ".join(f"{place.product} in {place.environment}" for place in found[:_MOST_LISTED])
        raise ProductUnserved(f"there are {len(found)} products", hint=f"name one of {listed}")
    return found[0]


def _unknown(states: SemanticStates, tenant: str, environment: str | None, product: str | None) -> NothingOffered:
    """The refusal for a product or an environment that is not known, with what was meant."""
    live = [state for state in states.known() if state.tenant == tenant and state.artifact_digest is not None]
    if not live:
        return NothingOffered("no product is served yet", hint="floe run, or publish one")
    products = {state.product for state in live}
    if product is not None and product not in products:
        return NothingOffered(f"no product {product!r} is served yet", hint=meant_or_known(product, products))
    where = {state.environment for state in live if product in (None, state.product)}
    told = "no product is" if product is None else f"{product} is not"
    return NothingOffered(f"{told} served in {environment!r} yet", hint=meant_or_known(str(environment), where))


def bundle_endpoint(
    tenant: str,
    states: SemanticStates,
    instances: CubeInstances,
    bodies: OfferBodies,
    verdicts: Verdicts,
    measures: SyncMetrics,
) -> Endpoint:
    """Where Cube asks for its bundle, each second: answered from memory as long as there is nothing new."""
    attempts = OfferAttempts()

    async def tried(place: Place, state: SemanticState, asker: _Asker) -> bool:
        """Whether the Cube may be given the offer; if it ended over it again and again, that is noted as a refusal."""
        offer = state.offered
        if offer is None or asker.instance is None or asker.process is None or not _is_unproven(state, offer):
            return True
        if attempts.endings(place, asker.instance, asker.process, offer_tag(offer)) < MOST_ENDINGS:
            return True
        await verdicts.ended(place, Spoken(offer.bundle_digest, offer_tag(offer)), asker.instance)
        return False

    async def answer(request: Request) -> Response:
        query = request.query_params
        place = find_place(states, tenant, query.get("environment"), query.get("product"))
        asker = _asker(request)
        if asker.instance is not None:
            instances.heard(place, asker.instance, asker.serving)
        state = _state(states, place)
        if not await tried(place, state, asker):
            state = _state(states, place)
        offer = _offer(place, state)
        if asker.instance is not None and _is_news(state, offer, asker.instance, asker.serving):
            await verdicts.confirm(place, offer.bundle_digest, asker.instance)
        given = await _given(state, offer, asker, bodies)
        if given is offer and asker.instance is not None and asker.process is not None:
            attempts.given(place, asker.instance, asker.process, offer_tag(offer))
        headers = {"ETag": offer_tag(given), "Cache-Control": "no-store"}
        if is_known(asker.known, given):
            measures.polled(given=False)
            return Response(status_code=304, headers=headers)
        body = await bodies.body(place, given.bundle_digest)
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
        answered = await verdicts.take(place, verdict, request.headers.get("If-Match"))
        return Response(answered.model_dump_json(), media_type="application/json")

    return answer


def _asker(request: Request) -> _Asker:
    said = {name: request.headers.get(name) or None for name in (INSTANCE, START, SERVING, REFUSED)}
    for name in (INSTANCE, START):
        value = said[name]
        if value is not None and (len(value) > _LONGEST_NAME or not value.isprintable()):
            raise CubeRequestInvalid(f"{name} has over {_LONGEST_NAME} characters, or some that cannot be printed")
    for name in (SERVING, REFUSED):
        value = said[name]
        if value is not None and not is_digest(value):
            raise CubeRequestInvalid(f"{name} holds no digest")
    return _Asker(said[INSTANCE], said[START], said[SERVING], said[REFUSED], request.headers.get("If-None-Match"))


def _state(states: SemanticStates, place: Place) -> SemanticState:
    state = states.find(place)
    if state is None:
        raise _unknown(states, place.tenant, place.environment, place.product)
    return state


def _offer(place: Place, state: SemanticState) -> OfferedBundle:
    if state.artifact_digest is None:
        raise ProductWithdrawn(f"{place.product} is not served in {place.environment} any more")
    if state.offered is None:
        said = state.problems[0] if state.problems else None
        raise NothingOffered(
            said.message if said else f"the bundle of {place.product} is not rendered yet",
            hint=said.hint if said else "ask again in a while",
        )
    return state.offered


async def _given(state: SemanticState, offer: OfferedBundle, asker: _Asker, bodies: OfferBodies) -> OfferedBundle:
    """What a Cube is given: one that serves nothing yet is given what others serve, unless it does not take it.

    So it answers queries while it compiles what is new, and again after it ended over that.
    """
    served = state.served
    if served is None or served.bundle_digest == offer.bundle_digest:
        return offer
    if asker.instance is None or asker.serving is not None or asker.refused == served.bundle_digest:
        return offer
    return served if await bodies.has(state.place, served.bundle_digest) else offer


def _is_unproven(state: SemanticState, offer: OfferedBundle) -> bool:
    return state.served is None or state.served.cause != offer.cause


def _is_news(state: SemanticState, offer: OfferedBundle, instance: str, serving: str | None) -> bool:
    """Whether the state does not know yet that this Cube serves what it is offered."""
    if serving != offer.bundle_digest:
        return False
    return _is_unproven(state, offer) or any(problem.path == instance for problem in state.problems)
