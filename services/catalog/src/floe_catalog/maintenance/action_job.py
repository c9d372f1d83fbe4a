"""What the service asks of the process that works on tables, and what that answers: JSON behind its length.

Both sides run the same version of floe.
"""

from __future__ import annotations

import json
import struct
from asyncio import StreamReader
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Final

from floe_catalog.core.maintenance_actions import Failure, MaintenanceOptions
from floe_contracts.events.tables import MaintenanceAction
from floe_lakehouse.maintenance.reports import MaintenanceReport

_LENGTH: Final = struct.Struct(">I")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableJob:
    """A table to open: its catalog's properties, secrets among them, and its name there."""

    catalog: dict[str, str]
    identifier: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionJob:
    """One action on the table that is open.

    Attributes:
        action: what is to be done.
        options: how far.
        now_ms: the time from which ages are counted.
        guard_seconds: a snapshot that was current within so long is never removed.
        pinned: snapshots that somebody reads.
        earlier_base: the snapshot on which an attempt for the same cause began that died.
        dry_run: only say what would be done.
    """

    action: MaintenanceAction
    options: MaintenanceOptions
    now_ms: int
    guard_seconds: float
    pinned: tuple[int, ...] = ()
    earlier_base: int | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTable:
    """A table as it was opened: its identity, its current snapshot, and its metadata file."""

    table_uuid: str
    snapshot_id: int | None
    metadata_location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LookBack:
    """What has expired of the open table since this metadata file was its current one?"""

    metadata_location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Stop at the next chance: the service ends, or may not go on."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirm:
    """May I commit? Answered by `Confirmed`, or by `Stop`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """You may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an action is."""

    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What an action did."""

    report: MaintenanceReport


Message = TableJob | ActionJob | LookBack | OpenTable | Stop | Confirm | Confirmed | Progress | Done | Failure
_KINDS: Final[dict[str, type[Any]]] = {
    kind.__name__: kind
    for kind in (TableJob, ActionJob, LookBack, OpenTable, Stop, Confirm, Confirmed, Progress, Done, Failure)
}


def write(stream: BinaryIO, message: Message) -> None:
    """Write one message and send it."""
    stream.write(encoded(message))
    stream.flush()


def read(stream: BinaryIO) -> Message | None:
    """Read one message; None at the end of the stream."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    body = stream.read(length)
    return _decoded(body) if len(body) == length else None


async def read_from(stream: StreamReader) -> Message:
    """Read one message.

    Raises:
        asyncio.IncompleteReadError: the other side has ended.
    """
    (length,) = _LENGTH.unpack(await stream.readexactly(_LENGTH.size))
    return _decoded(await stream.readexactly(length))


def encoded(message: Message) -> bytes:
    """One message as it is sent."""
    body = json.dumps({"kind": type(message).__name__, **asdict(message)}).encode()
    return _LENGTH.pack(len(body)) + body


def _decoded(body: bytes) -> Message:
    values = json.loads(body)
    kind = _KINDS[values.pop("kind")]
    if kind is TableJob:
        values["identifier"] = tuple(values["identifier"])
    if kind is ActionJob:
        values |= {"options": MaintenanceOptions(**values["options"]), "pinned": tuple(values["pinned"])}
    if kind is Done:
        values["report"] = _report(values["report"])
    message: Message = kind(**values)
    return message


def _report(values: dict[str, Any]) -> MaintenanceReport:
    told: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return MaintenanceReport(**told)
