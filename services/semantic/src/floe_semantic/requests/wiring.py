"""Has the semantic service answer requests."""

from __future__ import annotations

from floe_contracts.semantic_requests import LIST_SERVED, READ_BUNDLE, ROLL_BACK_BUNDLE, SYNC_BUNDLE
from floe_semantic.adapters.cube_instances import CubeInstances
from floe_semantic.requests.answering import BundleRequests
from floe_semantic.wiring import Parts


def answer_requests(parts: Parts, instances: CubeInstances) -> None:
    """Tell what is served, and offer what somebody asks for."""
    service = parts.service
    requests = BundleRequests(service.bus, parts.rendering, parts.states, instances, parts.teller)
    service.answer(LIST_SERVED, requests.list_served)
    service.answer(READ_BUNDLE, requests.read_bundle)
    service.answer(ROLL_BACK_BUNDLE, requests.roll_back)
    service.answer(SYNC_BUNDLE, requests.sync)
