"""The errors of the lineage service."""

from __future__ import annotations

from floe_contracts.errors import Permanent, Transient


class BackendNotReady(Transient):
    """A backend cannot be opened at the moment."""

    code = "FLOE-LIN-001"
    title = "A lineage backend is not ready"


class PositionUnreadable(Permanent):
    """The position file beside a lineage file was changed by something else than floe."""

    code = "FLOE-LIN-002"
    title = "The position of a lineage file cannot be read"


class EventRefused(Permanent):
    """A backend will never take an event; the dead letter carries its answer."""

    code = "FLOE-LIN-003"
    title = "A lineage backend refused an event"
