"""A file of JSON lines as a backend: every event once, whatever dies in between.

The file of events is committed by the position file beside it, which says how long the file of events is and how far
that brings the stream. A crash between the two leaves a tail that no position names: it is cut off when the file is
opened again, and its events, never acknowledged, come again. A full file is put aside as it was committed, and the
position then says that the new one is empty; a crash before that is seen by the file being shorter than its position.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import orjson

from floe_chassis.fault_points import reach_blocking
from floe_contracts.errors import Where
from floe_contracts.plugins.lineage_backends import Answer, LineageEvent, Position, position_after
from floe_lineage.adapters.rotated_files import prune, rotate
from floe_lineage.errors import BackendNotReady, PositionUnreadable

T = TypeVar("T")
_OK: Final = Answer(200)
# A line break inside JSON is only ever white space between its tokens.
_ONE_LINE: Final = bytes.maketrans(b"\r\n", b"  ")


@dataclass(frozen=True, slots=True)
class _Commit:
    """What the position file says; `position` is None before the first event."""

    size: int
    position: Position | None


class FileBackend:
    """Appends events to a file; one process at a time holds it."""

    most = 256

    def __init__(self, path: Path, *, max_bytes: int | None = None, keep: int = 1) -> None:
        """Write to `path`; once it has `max_bytes` put it aside, and keep that many of those."""
        self._path = path
        self._position_path = path.with_name(f"{path.name}.position")
        self._lock_path = path.with_name(f"{path.name}.lock")
        self._max_bytes = max_bytes
        self._keep = keep
        self._file = -1
        self._lock = -1
        self._committed = _Commit(0, None)
        # One thread, so that closing waits for a write that a cancelled `send` has left behind.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lineage-file")

    async def open(self) -> Position | None:
        """Lock the file, cut off what was not committed, and say how far it brings the stream.

        Raises:
            BackendNotReady: another process holds the file, or it cannot be opened.
            PositionUnreadable: the position file is not one of ours.
        """
        return await self._in_thread(self._open)

    async def send(self, events: Sequence[LineageEvent]) -> Answer:
        return await self._in_thread(lambda: self._append(events))

    async def rewind(self, to: Position) -> None:
        await self._in_thread(lambda: self._rewind(to))

    async def close(self) -> None:
        closing = asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)
        await asyncio.shield(closing)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _open(self) -> Position | None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._file = self._open_events()
            return self._recover()
        except BlockingIOError as error:
            self._close()
            raise BackendNotReady(
                f"another process writes {self._path}", hint="give each forwarder a FLOE_LINEAGE_FILE of its own"
            ) from error
        except OSError as error:
            self._close()
            raise BackendNotReady(f"{self._path} cannot be opened: {error}") from error

    def _open_events(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def _close(self) -> None:
        for file in (self._file, self._lock):
            if file >= 0:
                os.close(file)
        self._file = self._lock = -1

    def _recover(self) -> Position | None:
        committed = self._read_commit()
        if committed is None:  # what the file holds by now is not ours to judge
            self._commit(_Commit(os.fstat(self._file).st_size, None))
        else:
            self._committed = committed
            self._cut_to_commit()
        self._prune()
        return self._committed.position

    def _append(self, events: Sequence[LineageEvent]) -> Answer:
        block = b"".join(event.body.translate(_ONE_LINE) + b"\n" for event in events)
        try:
            start = self._cut_to_commit()
            if self._max_bytes is not None and start and start + len(block) > self._max_bytes:
                start = self._rotate()
            _write_all(self._file, block)
            os.fsync(self._file)
            reach_blocking("lineage-file-written")
            self._commit(_Commit(start + len(block), position_after(self._committed.position, events)))
            reach_blocking("lineage-file-committed")
        except OSError as error:
            return Answer(None, f"{self._path}: {error}")
        return _OK

    def _rotate(self) -> int:
        """Go on in an empty file; its size."""
        rotate(self._path)
        reach_blocking("lineage-file-put-aside")
        full, self._file = self._file, self._open_events()
        os.close(full)
        self._cut_to_commit()
        reach_blocking("lineage-file-begun")
        self._prune()
        return self._committed.size

    def _prune(self) -> None:
        if self._max_bytes is not None:
            prune(self._path, self._keep)

    def _rewind(self, to: Position) -> None:
        try:
            self._commit(_Commit(self._cut_to_commit(), to))
        except OSError as error:
            raise BackendNotReady(f"{self._position_path} cannot be written: {error}") from error

    def _cut_to_commit(self) -> int:
        """Make file and commit agree; the size of the file.

        What a failed write left behind is removed. A shorter file was emptied by others, or begun by a rotation.
        """
        size = os.fstat(self._file).st_size
        if size > self._committed.size:
            os.ftruncate(self._file, self._committed.size)
        elif size < self._committed.size:
            self._commit(_Commit(size, self._committed.position))
        return self._committed.size

    def _commit(self, commit: _Commit) -> None:
        position = commit.position
        document: dict[str, int] = {"size": commit.size}
        if position is not None:
            document |= {"sequence": position.sequence, "stored_at": position.stored_at}
        beside = self._position_path.with_name(f"{self._position_path.name}.new")
        file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            _write_all(file, orjson.dumps(document))
            os.fsync(file)
        finally:
            os.close(file)
        beside.replace(self._position_path)
        self._committed = commit

    def _read_commit(self) -> _Commit | None:
        try:
            document = orjson.loads(self._position_path.read_bytes())
            position = Position(document["sequence"], document["stored_at"]) if "sequence" in document else None
            return _Commit(document["size"], position)
        except FileNotFoundError:
            return None
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise PositionUnreadable(
                "not a position that floe has written",
                where=Where(file=str(self._position_path)),
                hint="delete it to go on at the end of the file; events may then stand there twice",
            ) from error


def _write_all(file: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]
