"""What can be wrong with an artifact so that Cube cannot serve it."""

from __future__ import annotations

from floe_contracts.errors import Permanent


class NothingToServe(Permanent):
    """No model can be served: an empty bundle would take everything away that Cube serves now."""

    code = "FLOE-SEM-001"
    title = "No model can be served through Cube"


class ClaimUnusable(Permanent):
    """The claim of the row owner has a name that a Cube policy cannot speak of."""

    code = "FLOE-SEM-002"
    title = "The claim of the row owner cannot be named in Cube"


class NotServed(Permanent):
    """Somebody wants to see a bundle of a product that Cube is not to serve, or not in that environment."""

    code = "FLOE-SEM-030"
    title = "A product is not served through Cube there"
