"""What can go wrong in the chassis. Errors that other packages raise too stand in `floe_contracts.errors`."""

from __future__ import annotations

from floe_contracts.errors import FloeError, Permanent, Transient, Where, WrongUsage
from floe_contracts.requests import RequestProblem


class SettingInvalid(FloeError):
    """An environment variable holds a value that its setting cannot take, or a needed one is not set."""

    code = "FLOE-SET-001"
    title = "A setting is missing or wrong"


class TopologyMissing(Transient):
    """A stream, consumer or bucket that the service needs is not on the bus."""

    code = "FLOE-BUS-004"
    title = "The bus lacks a stream, consumer or bucket"


class TopologyConflict(Permanent):
    """What the bus has differs from the topology in a way that the server does not change in place."""

    code = "FLOE-BUS-005"
    title = "A part of the topology cannot be changed in place"


class BusForbidden(Transient):
    """The bus refused a subject to this identity. Transient, because the permissions can be mended meanwhile."""

    code = "FLOE-BUS-006"
    title = "The bus does not permit a subject to this service"


class MessageTooLarge(Permanent):
    """A message is larger than the bus takes; sending it would make the server cut the connection."""

    code = "FLOE-BUS-007"
    title = "A message is too large for the bus"


class PublishRefused(Permanent):
    """The stream refused a message for a reason that trying again does not mend."""

    code = "FLOE-BUS-008"
    title = "A stream refused a message"


class BusClosed(Transient):
    """The server ended the connection for good; the service must be started again."""

    code = "FLOE-BUS-009"
    title = "The connection to the bus was closed for good"


class SpoolFull(Transient):
    """The bus has been away for so long that what waits for it fills the spool."""

    code = "FLOE-BUS-010"
    title = "The local spool for messages to the bus is full"


class SpoolUnusable(Transient):
    """The folder of the spool cannot be written."""

    code = "FLOE-BUS-011"
    title = "The local spool for messages to the bus cannot be written"


class TooManyRequests(Transient):
    """More requests wait for a service than it takes on."""

    code = "FLOE-BUS-012"
    title = "Too many requests wait for a service"


class AskerGone(Transient):
    """Whoever asked takes no more of the answer."""

    code = "FLOE-BUS-013"
    title = "Nobody takes the answer to a request any more"


class RequestRefused(Permanent):
    """A service answered that what it was asked cannot be done.

    Attributes:
        problem: what the service said; its code is the one that people look up.
    """

    code = "FLOE-BUS-014"
    title = "A service refused a request"

    def __init__(self, problem: RequestProblem) -> None:
        super().__init__(problem.message, where=_place(problem), hint=problem.hint)
        self.problem = problem


class RequestFailed(Transient):
    """A service answered that what it was asked cannot be done at the moment.

    Attributes:
        problem: what the service said; its code is the one that people look up.
    """

    code = "FLOE-BUS-015"
    title = "A service could not fulfil a request at the moment"

    def __init__(self, problem: RequestProblem) -> None:
        super().__init__(problem.message, where=_place(problem), hint=problem.hint)
        self.problem = problem


class LetterMissing(WrongUsage):
    """There is no dead letter of that number, or no longer."""

    code = "FLOE-BUS-016"
    title = "There is no such dead letter"


class LetterIncomplete(Permanent):
    """A dead letter tells of a message that it has not whole: it was too large, or gone from its stream."""

    code = "FLOE-BUS-017"
    title = "A dead letter has not the whole message"


class BundleRefused(Permanent):
    """A folder holds something that a source bundle does not carry."""

    code = "FLOE-BUNDLE-001"
    title = "A folder cannot be packed into a source bundle"


class BundleInvalid(Permanent):
    """A bundle document is not one that `pack` could have written."""

    code = "FLOE-BUNDLE-002"
    title = "A source bundle is not valid"


class AddressInUse(FloeError):
    """The HTTP address of a service cannot be bound."""

    code = "FLOE-HTTP-001"
    title = "The HTTP address of a service is not free"


class ServerNotFound(FloeError):
    """No nats-server program was found."""

    code = "FLOE-NATS-001"
    title = "There is no nats-server program"


class StoreInUse(FloeError):
    """Another stack has the store folder open; two servers on one store destroy it."""

    code = "FLOE-NATS-002"
    title = "The store folder belongs to another running stack"


class ServerFailed(FloeError):
    """nats-server ended before it was ready."""

    code = "FLOE-NATS-003"
    title = "nats-server does not start"


class SecretMissing(Permanent):
    """A secret that a platform document names is nowhere to be found."""

    code = "FLOE-SEC-001"
    title = "A secret is missing"


class SecretUnusable(Permanent):
    """A secret cannot be read, or cannot be handed to a child process."""

    code = "FLOE-SEC-002"
    title = "A secret cannot be used"


def _place(problem: RequestProblem) -> Where | None:
    where = Where(problem.file, problem.line, problem.column, problem.path)
    return where if where != Where() else None
