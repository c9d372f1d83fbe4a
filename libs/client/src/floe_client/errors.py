"""What a reader may have to be told."""

from __future__ import annotations

from floe_contracts.errors import Permanent


class NotAllowed(Permanent):
    """The bus does not let this identity in, or refuses what it asks."""

    code = "FLOE-CLIENT-001"
    title = "The bus refuses what a reader asks"


class ConsumerGone(Permanent):
    """There is no consumer to read: it was deleted, or never made."""

    code = "FLOE-CLIENT-002"
    title = "The consumer of a reader is not there"


class ConsumerUnsuitable(Permanent):
    """The consumer reads something else than what is asked for."""

    code = "FLOE-CLIENT-003"
    title = "The consumer of a reader reads something else"
