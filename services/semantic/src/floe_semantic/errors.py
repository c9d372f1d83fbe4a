"""What can be wrong with an artifact so that Cube cannot serve it."""

from __future__ import annotations

from floe_contracts.errors import FloeError, Permanent, Transient


class NothingToServe(Permanent):
    """No model can be served: an empty bundle would take everything away that Cube serves now."""

    code = "FLOE-SEM-001"
    title = "No model can be served through Cube"


class ClaimUnusable(Permanent):
    """The claim of the row owner has a name that a Cube policy cannot speak of."""

    code = "FLOE-SEM-002"
    title = "The claim of the row owner cannot be named in Cube"


class BundleRefused(Permanent):
    """Cube's own compiler does not take what was rendered; nothing of it is offered."""

    code = "FLOE-SEM-003"
    title = "Cube's compiler refuses a bundle"


class GateExceeded(Permanent):
    """Cube's compiler took more time or memory for a bundle than it may."""

    code = "FLOE-SEM-004"
    title = "A bundle takes Cube's compiler too much time or memory"


class GateBroken(Transient):
    """The process of Cube's compiler could not start, or ended without an answer."""

    code = "FLOE-SEM-005"
    title = "Cube's compiler gave no answer"


class CubeRefused(Permanent):
    """Cube could not serve the bundle that it was offered; what it served before stays."""

    code = "FLOE-SEM-006"
    title = "Cube refuses a bundle"


class MembersDiffer(Permanent):
    """What Cube shows of a bundle is not what was rendered."""

    code = "FLOE-SEM-007"
    title = "Cube does not show what was rendered"


class NothingOffered(Permanent):
    """There is no bundle for Cube, at least not yet."""

    code = "FLOE-SEM-008"
    title = "There is no bundle for Cube"


class ProductWithdrawn(Permanent):
    """The product is not to be served any more."""

    code = "FLOE-SEM-009"
    title = "A product was withdrawn from Cube"


class OfferOutdated(Permanent):
    """Cube answers for a bundle that it is not offered any more."""

    code = "FLOE-SEM-010"
    title = "Cube answers for a bundle that is not offered any more"


class BundleUnknown(Permanent):
    """Somebody names a bundle that the product does not have."""

    code = "FLOE-SEM-011"
    title = "A bundle is not known"


class ProductUnserved(Permanent):
    """Somebody names a product that the semantic service does not know, or none where there are several."""

    code = "FLOE-SEM-012"
    title = "A product is not served there"


class CubeUnauthorized(Permanent):
    """Cube's bearer token is missing or wrong."""

    code = "FLOE-SEM-013"
    title = "Cube's bearer token is missing or wrong"


class CubeDoorClosed(Permanent):
    """Cube asks from another machine, and the semantic service has no token to know it by."""

    code = "FLOE-SEM-014"
    title = "The semantic service has no token for Cube"


class CubeRequestInvalid(Permanent):
    """What Cube sends is not what it should be."""

    code = "FLOE-SEM-015"
    title = "A request of Cube is not valid"


class CubeRequestTooLarge(Permanent):
    """What Cube sends is over the limit."""

    code = "FLOE-SEM-016"
    title = "A request of Cube is too large"


class StateChanging(Transient):
    """A product's state changes faster than it can be written."""

    code = "FLOE-SEM-017"
    title = "The state of a product changes too fast"


class StatesNotRead(Transient):
    """The service has not read yet what is offered."""

    code = "FLOE-SEM-018"
    title = "The semantic service does not know yet what is offered"


class CompilerMissing(FloeError):
    """Cube's compiler is to be asked before a bundle is offered, and cannot be."""

    code = "FLOE-SEM-019"
    title = "Cube's compiler is not where the settings say"


class NotServed(Permanent):
    """Somebody wants to see a bundle of a product that Cube is not to serve, or not in that environment."""

    code = "FLOE-SEM-030"
    title = "A product is not served through Cube there"
