"""Unpacking a tar archive that nobody trusts."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path
from typing import BinaryIO, Final

from floe_gateway.core.archive_rules import Contents, EntryKind, Limits
from floe_gateway.errors import ArchiveInvalid

_COPY_BYTES: Final = 256 * 1024
_EXTENDED: Final = frozenset(
    {
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    }
)
_EXTENDED_BYTES: Final = 4096
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def unpack(archive: BinaryIO, folder: Path, limits: Limits) -> None:
    """Unpack the files and folders of an uncompressed archive below `folder`, which is empty.

    Owners, times and all permissions but "executable" are left out.

    Raises:
        ArchiveInvalid: not a whole tar archive.
        ArchiveUnsafe: see `Contents.admit`.
        SubmissionTooLarge: too many entries.
        OSError: the files cannot be written.
    """
    archive.seek(0)
    contents = Contents(limits)
    try:
        with tarfile.open(fileobj=archive, mode="r:", tarinfo=_Header, encoding="utf-8") as tar:
            while (member := tar.next()) is not None:
                _write(tar, member, folder / contents.admit(member.name, _kind(member)))
            end = tar.offset
    except (tarfile.TarError, EOFError, OverflowError, RecursionError, ValueError) as error:
        raise ArchiveInvalid(f"the body is not a tar archive: {error}", hint="send the output of tar -cz") from error
    _check_end(archive, end)


class _Header(tarfile.TarInfo):
    """A header that cannot lead tarfile astray.

    Python 3.11 reads extended headers whole and matches them with patterns that take quadratic time
    (CVE-2024-6232), and a negative size lets it go round in circles (CVE-2025-8194).
    """

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.size < 0:
            raise ArchiveInvalid("an entry of the archive has a negative size")
        if self.type in _EXTENDED and self.size > _EXTENDED_BYTES:
            raise ArchiveInvalid(
                f"an extended header of the archive has over {_EXTENDED_BYTES} bytes",
                hint="pack without extended attributes: tar --no-xattrs --no-acls",
            )
        return super()._proc_member(tar)  # type: ignore[misc, no-any-return]  # overridable, and not in the stubs


def _kind(member: tarfile.TarInfo) -> EntryKind:
    if member.isreg() and not member.issparse():
        return EntryKind.FILE
    return EntryKind.FOLDER if member.isdir() else EntryKind.OTHER


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    source = tar.extractfile(member)
    mode = 0o755 if member.mode & 0o111 else 0o644
    if source is None:
        raise ArchiveInvalid(f"{member.name!r} cannot be read")
    with source, os.fdopen(os.open(target, _NEW_FILE, mode), "wb") as file:
        shutil.copyfileobj(source, file, _COPY_BYTES)
        if file.tell() != member.size:
            raise ArchiveInvalid(f"{member.name!r} is cut off", hint="was the upload interrupted?")


def _check_end(archive: BinaryIO, end: int) -> None:
    """A broken header in the middle looks like the end to tarfile, and the files after it would be missing."""
    archive.seek(end)
    while block := archive.read(_COPY_BYTES):
        if block.strip(b"\0"):
            raise ArchiveInvalid("a header of the tar archive is broken", hint="pack the folder again")
