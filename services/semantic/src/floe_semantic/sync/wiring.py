"""Cube's door as a part of the service."""

from __future__ import annotations

import structlog
from starlette.routing import Route

from floe_semantic.adapters.cube_instances import CubeInstances
from floe_semantic.sync.endpoints import BUNDLE, VERDICTS, bundle_endpoint, verdict_endpoint
from floe_semantic.sync.offers import OfferBodies
from floe_semantic.sync.verdicts import Verdicts
from floe_semantic.wiring import Parts

_log = structlog.get_logger("floe.semantic")


def serve_bundles(parts: Parts) -> CubeInstances:
    """Give Cube its bundles, and take its verdicts; the Cubes that are heard of."""
    service, states, door = parts.service, parts.states, parts.door
    instances = CubeInstances(service.bus)
    verdicts = Verdicts(states, parts.blobs, parts.teller, parts.measures)
    bodies = OfferBodies(parts.blobs)
    bundle = bundle_endpoint(parts.chassis.tenant, states, instances, bodies, verdicts, parts.measures)
    verdict = verdict_endpoint(parts.chassis.tenant, states, verdicts)
    service.route(Route(BUNDLE, door.endpoint(bundle), methods=["GET"]))
    service.route(Route(VERDICTS, door.endpoint(verdict), methods=["POST"]))
    service.task("states", states.follow)
    service.task("outcomes", parts.teller.run)
    service.task("instances", instances.write)
    service.check("states", states.check)
    if door.closed:
        _log.warning("cube.door_closed", hint="set FLOE_SEMANTIC_CUBE_TOKEN to let Cube fetch its bundles")
    return instances
