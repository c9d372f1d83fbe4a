"""The errors of the gateway."""

from __future__ import annotations

from floe_contracts.errors import FloeError, Permanent, Transient


class GatewayOpen(FloeError):
    """The gateway would listen to other machines without asking who calls."""

    code = "FLOE-GATE-001"
    title = "The gateway has no token and is not on loopback"


class Unauthorized(Permanent):
    """The bearer token is missing or wrong."""

    code = "FLOE-GATE-002"
    title = "The bearer token is missing or wrong"


class RequestInvalid(Permanent):
    """A header or a parameter of a request cannot be used."""

    code = "FLOE-GATE-003"
    title = "A request is not valid"


class MediaTypeUnknown(Permanent):
    """The body is not said to be a gzipped tar archive."""

    code = "FLOE-GATE-004"
    title = "The body is of a type that the gateway does not take"


class SubmissionTooLarge(Permanent):
    """The archive is over one of the limits."""

    code = "FLOE-GATE-005"
    title = "A submission is too large"


class ArchiveInvalid(Permanent):
    """The body is not a whole gzipped tar archive."""

    code = "FLOE-GATE-006"
    title = "A submission is not a readable archive"


class ArchiveUnsafe(Permanent):
    """The archive holds something that must not be unpacked."""

    code = "FLOE-GATE-007"
    title = "A submission holds something that is not allowed"


class SpecMissing(Permanent):
    """The archive has no floe.yaml at its root."""

    code = "FLOE-GATE-008"
    title = "A submission has no floe.yaml"


class RouteUnknown(Permanent):
    """There is nothing at that path."""

    code = "FLOE-GATE-009"
    title = "There is nothing at that path"


class MethodUnknown(Permanent):
    """The path does not take that method."""

    code = "FLOE-GATE-010"
    title = "A path does not take that method"


class RequestTooSlow(Permanent):
    """The body did not come in time."""

    code = "FLOE-GATE-011"
    title = "A request took too long to arrive"


class WorkspaceFailed(Transient):
    """The gateway cannot write the files of a submission."""

    code = "FLOE-GATE-012"
    title = "The gateway's temporary storage failed"


class LineageBodyInvalid(Permanent):
    """The body of a request is not OpenLineage."""

    code = "FLOE-GATE-013"
    title = "A body is not OpenLineage"


class LineageTooLarge(Permanent):
    """An event, or the body that it came in, is over the limit."""

    code = "FLOE-GATE-014"
    title = "A lineage event is too large"


class TokenShared(FloeError):
    """Two callers have the same token, so that one would see what is the other's."""

    code = "FLOE-GATE-015"
    title = "Two callers have the same token"


class PlaceForbidden(Permanent):
    """A reader of lineage asked for an environment that is not its own."""

    code = "FLOE-GATE-016"
    title = "A reader may not see that environment"


class StreamsExhausted(Transient):
    """As many streams of events are open as the gateway serves."""

    code = "FLOE-GATE-017"
    title = "Too many streams of events are open"
