"""A spool: messages that the bus does not take at the moment wait on the local disk, and follow later in their order.

What can be stored on the bus at once is; nobody waits for a bus that is away. Once something waits, everything after it
waits too, so that order is kept. Each process appends to a file of its own, locked as long as the process lives. Lines
are JSON, one a message. A killed process leaves its file, and the next one on the same folder takes it over; a last
line that it did not write to its end is nobody's loss, since `put` had not returned. How far a file has been published
stands beside it: at most the last message is published twice, with the same id.

A line is in the kernel's hands when `put` returns, which outlasts the process; it is on the disk within a fraction of a
second, which outlasts the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

import structlog
from opentelemetry import context

from floe_chassis.bus import Bus, message_size
from floe_chassis.bus_telemetry import sender_context
from floe_chassis.errors import MessageTooLarge, SpoolFull, SpoolUnusable
from floe_contracts.errors import Permanent, Transient, Unreachable

_PATIENCE: Final = 2.0
"""Seconds that a message gets on a connection that seems to be there; then it waits on the disk."""
_TICK: Final = 0.2
_SUFFIX: Final = ".ndjson"
_REFUSED: Final = "refused.log"

_log = structlog.get_logger("floe.spool")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way to the bus, encoded.

    Attributes:
        id: the bus stores one message per id within the stream's duplicate window.
    """

    subject: str
    headers: Mapping[str, str]
    body: str
    id: str


class Spool:
    """The way of a service's messages to the bus that may lead over the disk."""

    def __init__(self, bus: Bus, folder: Path, *, limit_bytes: int) -> None:
        """Spool in `folder`, which is made when it is needed, up to `limit_bytes` of waiting messages."""
        self._bus = bus
        self._folder = folder
        self._limit = limit_bytes
        self._file: _File | None = None
        self._something = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def waiting(self) -> int:
        """How many messages wait on the disk."""
        return self._file.waiting if self._file else 0

    async def put(self, message: Outgoing) -> None:
        """Store a message: on the bus, or on the disk until the bus is there.

        Raises:
            MessageTooLarge: the message is over the server's limit.
            PublishRefused: the stream refuses the message.
            SpoolFull: the disk holds as much as it may.
            SpoolUnusable: nothing can be written there.
        """
        if not self.waiting and self._bus.connected:
            try:
                await self._publish(message)
            except Transient as reason:
                _log.warning("spool.begun", reason=str(reason), subject=message.subject)
            else:
                return
        self._check_size(message)
        self._append(message)

    async def run(self) -> None:
        """Publish what waits, as soon as the bus is there; for ever."""
        while True:
            await self._something.wait()
            file = self._file
            if file is None:  # closed
                return
            await asyncio.to_thread(file.sync)
            if await self._bus.until_connected(_TICK) and not await self._drain(file):
                await asyncio.sleep(_TICK)

    async def settled(self, timeout: float) -> None:  # noqa: ASYNC109 - a budget, not a cancellation
        """Wait until nothing waits any more.

        Raises:
            Unreachable: `timeout` seconds were not enough.
        """
        try:
            await asyncio.wait_for(self._empty.wait(), timeout)
        except TimeoutError:
            raise Unreachable(
                f"{self.waiting} messages still wait for the bus after {timeout:g} s",
                hint=f"is the bus at {self._bus.address} up?",
            ) from None

    async def recover(self) -> tuple[Outgoing, ...]:
        """Publish what processes that are gone have left in the folder; what was published, in its order.

        Raises:
            Unreachable: the bus went away meanwhile; the rest stays for the next time.
        """
        published: list[Outgoing] = []
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            file = _File.take_over(path)
            if file is None:  # of a process that lives
                continue
            with file:
                published += [message for message, _ in file.messages()]
                if not await self._drain(file):
                    raise Unreachable(f"the bus went away while {path.name} was published")
                file.remove()
        if published:
            _log.info("spool.recovered", messages=len(published))
        return tuple(published)

    async def close(self) -> None:
        """Let go of the file; what waits in it stays for the next process."""
        file, self._file = self._file, None
        self._something.set()
        if file is not None:
            with file:
                if not file.waiting:
                    file.remove()

    async def _drain(self, file: _File) -> bool:
        """Publish the messages of a file; whether all are out."""
        for message, end in file.messages():
            token = context.attach(sender_context(message.headers))
            try:
                await self._publish(message)
            except Transient as reason:
                _log.debug("spool.waits", reason=str(reason), messages=file.waiting)
                return False
            except Permanent as reason:
                # It never will be stored. Those behind it must not wait for it, and it must not vanish.
                _log.error("spool.refused", error=str(reason), subject=message.subject)
                file.set_aside(message)
            finally:
                context.detach(token)
            file.published_up_to(end)
        if file is self._file:
            self._something.clear()
            self._empty.set()
        return True

    async def _publish(self, message: Outgoing) -> None:
        await self._bus.publish_raw(
            message.subject, message.body.encode(), message.headers, message.id, budget=_PATIENCE
        )

    def _append(self, message: Outgoing) -> None:
        try:
            if self._file is None:
                self._file = _File.create(self._folder)
            if self._file.size >= self._limit:
                raise SpoolFull(
                    f"{self._file.waiting} messages wait for the bus, {self._file.size} bytes",
                    hint=f"bring the bus at {self._bus.address} back; {self._folder} holds them until then",
                )
            self._file.append(message)
        except OSError as error:
            raise SpoolUnusable(
                f"{self._folder} cannot be written: {error}", hint="is there room on the disk?"
            ) from None
        self._empty.clear()
        self._something.set()

    def _check_size(self, message: Outgoing) -> None:
        with contextlib.suppress(Transient):  # without a connection so far nobody knows the limit
            if message_size(message.headers, message.body.encode()) > self._bus.size_limit():
                raise MessageTooLarge(f"{message.subject}: more bytes than the bus takes")


class _File:
    """The messages of one process, in the order in which they came."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._published = path.with_suffix(".published")
        self._offset = _number(self._published)
        self.size = os.fstat(descriptor).st_size
        self.waiting = 0
        self._dirty = False

    @classmethod
    def create(cls, folder: Path) -> _File:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{uuid.uuid4().hex}{_SUFFIX}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return cls(path, descriptor)

    @classmethod
    def take_over(cls, path: Path) -> _File | None:
        """The file of a process that is gone; None if somebody holds it, or it is gone itself."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not path.exists():  # removed by who held it a moment ago
                raise BlockingIOError
        except OSError:
            os.close(descriptor)
            return None
        file = cls(path, descriptor)
        file.waiting = sum(1 for _ in file.messages())
        return file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def append(self, message: Outgoing) -> None:
        line = json.dumps(asdict(message), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        try:
            self._write(line)
        except OSError:
            os.ftruncate(self._descriptor, self.size)  # half a line would spoil the next one
            raise
        self.size += len(line)
        self.waiting += 1
        self._dirty = True

    def _write(self, line: bytes) -> None:
        if os.write(self._descriptor, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def messages(self) -> Iterator[tuple[Outgoing, int]]:
        """The messages that are not published yet, each with where it ends; those that come meanwhile, too."""
        with self._path.open("rb") as lines:
            lines.seek(self._offset)
            while (line := lines.readline()).endswith(b"\n"):
                try:
                    message = Outgoing(**json.loads(line))
                except (ValueError, TypeError):
                    _log.error("spool.unreadable", file=self._path.name, bytes=len(line))
                    continue
                yield message, lines.tell()

    def published_up_to(self, end: int) -> None:
        self.waiting -= 1
        if end >= self.size and not self.waiting:
            os.ftruncate(self._descriptor, 0)
            end = self.size = 0
        self._offset = end
        try:
            self._published.write_text(str(end))
        except OSError:  # a full disk must not keep anything from leaving; at worst it is published once more
            with contextlib.suppress(OSError):
                self._published.unlink(missing_ok=True)

    def set_aside(self, message: Outgoing) -> None:
        try:
            with self._path.with_name(_REFUSED).open("a") as refused:
                refused.write(json.dumps(asdict(message)) + "\n")
        except OSError as error:
            _log.error("spool.dropped", message=asdict(message), error=str(error))

    def sync(self) -> None:
        if self._dirty:
            self._dirty = False
            with contextlib.suppress(OSError):  # closed meanwhile
                os.fdatasync(self._descriptor)

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)
        self._published.unlink(missing_ok=True)


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0
