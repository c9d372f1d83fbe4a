"""What can be wrong with what somebody asks of the MCP server."""

from __future__ import annotations

from floe_contracts.errors import Permanent, Transient


class TokenMissing(Permanent):
    """The caller has sent no token of Cube; the server has none of its own to lend."""

    code = "FLOE-MCP-001"
    title = "The caller has no token of Cube"


class TokenRefused(Permanent):
    """Cube does not take the caller's token: it is forged, for another Cube, over, or lacks the row owner's claim."""

    code = "FLOE-MCP-002"
    title = "Cube refuses the caller's token"


class NameUnknown(Permanent):
    """A cube, view or member is not among those that the caller may see; whether it exists is not said."""

    code = "FLOE-MCP-003"
    title = "A name is not among those that the caller may see"


class QueryInvalid(Permanent):
    """A query that Cube could not answer, or has refused."""

    code = "FLOE-MCP-004"
    title = "A query cannot be answered"


class QueryDenied(Permanent):
    """No policy grants the query to the caller."""

    code = "FLOE-MCP-005"
    title = "No policy grants the query to the caller"


class CubeUnavailable(Transient):
    """Cube does not answer, or is not ready."""

    code = "FLOE-MCP-006"
    title = "Cube does not answer"


class QueryUnfinished(Transient):
    """Cube still works on the query after the time that it is given."""

    code = "FLOE-MCP-007"
    title = "Cube still works on the query"


class AnswerUnusable(Permanent):
    """An answer that is larger than what is read, or that is not one of Cube."""

    code = "FLOE-MCP-008"
    title = "An answer cannot be used"


class LineageUnavailable(Transient):
    """The gateway does not tell the lineage: it is away, refuses the caller, or knows nothing by that name."""

    code = "FLOE-MCP-009"
    title = "The gateway does not tell the lineage"
