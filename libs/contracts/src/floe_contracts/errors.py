"""The error root of floe, and what an error means for delivery.

Every error that a person or a dead letter sees is a `FloeError`: a code that the reference lists, a message, the
place it speaks of, and a hint how to mend it. Mixing in `Transient` or `Permanent` tells the bus what to do with the
message whose handling failed (DESIGN section 5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Where:
    """The place that an error speaks of. Lines and columns count from 1; a part that is not known is None."""

    file: str | None = None
    line: int | None = None
    column: int | None = None
    path: str | None = None

    def __str__(self) -> str:
        """`file:line:column (field.path)`, without the parts that are not known."""
        position = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        if self.path and position:
            return f"{position} ({self.path})"
        return self.path or position


class FloeError(Exception):
    """The root of everything that floe raises on purpose.

    Attributes:
        code: stable, `FLOE-<AREA>-<nnn>`; set by the class.
        message: what is wrong, in one sentence.
        where: the place, if there is one.
        hint: how to mend it.
    """

    code: ClassVar[str] = "FLOE-CORE-001"
    title: ClassVar[str] = "An error of floe itself"

    def __init__(self, message: str, *, where: Where | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        """`CODE place: message (hint)`, for logs and dead letters."""
        place = f" {self.where}" if self.where else ""
        hint = f" (hint: {self.hint})" if self.hint else ""
        return f"{self.code}{place}: {self.message}{hint}"


class Transient(FloeError):
    """May pass by itself: the message is delivered again after a delay."""

    code = "FLOE-CORE-002"
    title = "Something needed is not there at the moment"


class Permanent(FloeError):
    """Will fail again however often it is tried: the message goes to the dead letters with the reason."""

    code = "FLOE-CORE-003"
    title = "A message that can never be handled"


class ContractError(Permanent):
    """A message that does not keep its contract: wrong type, wrong place, unknown major, unreadable."""

    code = "FLOE-BUS-001"
    title = "A message does not keep its contract"


class Unreachable(Transient):
    """A server or store that does not answer."""

    code = "FLOE-BUS-002"
    title = "Something needed is unreachable"


class LeaseLost(Transient):
    """The work's lease is somebody else's now; nothing more may be written under it."""

    code = "FLOE-BUS-003"
    title = "The lease of a run was lost"


class BlobMissing(Transient):
    """A blob that an event names is not in the store (yet)."""

    code = "FLOE-BLOB-001"
    title = "A blob is not in the store"


class BlobCorrupt(Permanent):
    """The bytes of a blob do not have the digest that names them."""

    code = "FLOE-BLOB-002"
    title = "A blob does not match its digest"


class DocumentInvalid(Permanent):
    """A document was refused; carries all of its problems.

    Attributes:
        problems: every problem found, in the order of their places.
    """

    code = "FLOE-SPEC-001"
    title = "A document is not valid"

    def __init__(self, problems: Iterable[FloeError]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        super().__init__(f"{count} problem{'s' if count != 1 else ''} found")


class WrongUsage(FloeError):
    """The command line was not understood."""

    code = "FLOE-CLI-001"
    title = "Wrong usage of the command line"
