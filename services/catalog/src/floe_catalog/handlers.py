"""Which events the catalog service reads, and what handles them."""

from __future__ import annotations

from typing import Final

from floe_catalog.tables.following import Following
from floe_catalog.tables.landed import Landed
from floe_chassis.service import Service
from floe_chassis.topology import CATALOG, CATALOG_RUNS
from floe_contracts.events import ArtifactCompiled, ArtifactRetired, RunCompleted

_AT_ONCE: Final = 4
"""Events of one consumer that are handled at the same time: some may wait for a catalog that does not answer."""


def subscribe(service: Service, following: Following, landed: Landed) -> None:
    """Have the service read its consumers."""
    service.subscribe_kinds(
        CATALOG, {ArtifactCompiled: following.compiled, ArtifactRetired: following.retired}, concurrency=_AT_ONCE
    )
    service.subscribe(CATALOG_RUNS, RunCompleted, landed.completed, concurrency=_AT_ONCE)
