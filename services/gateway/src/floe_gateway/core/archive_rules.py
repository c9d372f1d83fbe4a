"""What an uploaded archive may hold: pure decisions about names, kinds and sizes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath
from typing import Final

from floe_contracts.errors import Where
from floe_gateway.errors import ArchiveUnsafe, SubmissionTooLarge

_MEGABYTE: Final = 1024 * 1024
_NAME_BYTES: Final = 255
_PATH_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a submission may be, in bytes and in entries of the archive."""

    compressed: int = 20 * _MEGABYTE
    unpacked: int = 100 * _MEGABYTE
    entries: int = 10_000


DEFAULT_LIMITS: Final = Limits()


class EntryKind(Enum):
    """What an entry of an archive is."""

    FILE = "a file"
    FOLDER = "a folder"
    OTHER = "a link, a device or another special file"


class Contents:
    """What an archive has shown so far; admits each further entry or refuses it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._entries = 0
        self._files: set[PurePosixPath] = set()
        self._folders: set[PurePosixPath] = set()

    def admit(self, name: str, kind: EntryKind) -> PurePosixPath:
        """Where an entry goes, from the root of the submission; the root itself is `.`.

        Raises:
            SubmissionTooLarge: one entry too many.
            ArchiveUnsafe: an entry that is neither file nor folder, leads outside, or stands in the way of another.
        """
        self._entries += 1
        if self._entries > self._limits.entries:
            raise SubmissionTooLarge(f"the archive has more than {self._limits.entries} entries")
        if kind is EntryKind.OTHER:
            raise _unsafe(name, f"is {kind.value}", "submit files and folders only")
        path = _inner_path(name)
        if kind is EntryKind.FILE and not path.parts:
            raise _unsafe(name, "is a file without a name", "pack the folder again")
        parents = set(path.parents)
        if parents & self._files or path in (self._files if kind is EntryKind.FOLDER else self._files | self._folders):
            raise _unsafe(name, "stands in the archive twice", "pack the folder again")
        self._folders |= parents
        (self._files if kind is EntryKind.FILE else self._folders).add(path)
        return path


def _inner_path(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise _unsafe(name, "leads out of the submission", "use paths below the product's folder")
    try:
        encoded = [part.encode() for part in path.parts]
    except UnicodeEncodeError:
        raise _unsafe(name, "is not UTF-8", "rename it") from None
    if any(byte < 0x20 or byte == 0x7F for part in encoded for byte in part):
        raise _unsafe(name, "holds a control character", "rename it")
    if any(len(part) > _NAME_BYTES for part in encoded) or sum(len(part) + 1 for part in encoded) > _PATH_BYTES:
        raise _unsafe(f"{name[:80]}...", "is too long", f"{_PATH_BYTES} bytes at most, {_NAME_BYTES} for each name")
    return path


def _unsafe(name: str, what: str, hint: str) -> ArchiveUnsafe:
    printable = repr(name)[1:-1]
    return ArchiveUnsafe(f"'{printable}' {what}", where=Where(file=printable), hint=hint)
