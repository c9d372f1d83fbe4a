"""The files that stand in a table's folders, as the store lists them.

pyiceberg's FileIO lists nothing. The file system of Arrow under it does, with the same keys: each entry comes with its
size and the store's own time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pyarrow.fs import FileInfo, FileSelector, FileType
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import PyArrowFileIO

from floe_lakehouse.locations import local_path

_S3_SCHEMES: Final = ("s3", "s3a", "s3n")


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file in a folder.

    Attributes:
        path: its location, spelled as that of the folder.
        size_bytes: how large it is.
        modified_ms: when it was written, by the store's clock, in milliseconds since 1970 UTC.
    """

    path: str
    size_bytes: int
    modified_ms: int


def can_list(io: FileIO) -> bool:
    """Whether files under this FileIO can be listed."""
    return isinstance(io, PyArrowFileIO)


def list_files(io: FileIO, folder: str) -> Iterator[ListedFile]:
    """The files under a folder, however deep; none if there is no such folder.

    Args:
        io: for which `can_list` holds.
        folder: its location.

    Raises:
        OSError: the store does not answer, or does not let it be listed.
    """
    assert isinstance(io, PyArrowFileIO)  # noqa: S101 - `can_list` was asked
    scheme, authority, path = io.parse_location(folder.rstrip("/"), io.properties)
    files = io.fs_by_scheme(scheme, authority)
    left = [path]
    while left:
        top = left.pop()
        for entry in files.get_file_info(FileSelector(top, allow_not_found=True)):
            if entry.type is FileType.Directory:
                left.append(entry.path)
            elif entry.type is FileType.File and entry.mtime_ns is not None:
                yield _listed(entry, folder.rstrip("/"), path)


def same_name(location: str) -> str:
    """A location in the one spelling that all names of the file have in common.

    A local file may be named by a path or a URI, and through links; a bucket by three schemes. What is compared by its
    spelling alone would be taken for a file that nobody needs.
    """
    path = local_path(location)
    if path is not None:
        return f"{_real(path.parent.as_posix())}/{path.name}"
    parts = urlsplit(location)
    scheme = "s3" if parts.scheme in _S3_SCHEMES else parts.scheme
    return f"{scheme}{location[len(parts.scheme) :]}"


def stands_under(location: str, folder: str) -> bool:
    """Whether a location is one below a folder."""
    return same_name(location).startswith(f"{same_name(folder.rstrip('/'))}/")


def _listed(entry: FileInfo, folder: str, path: str) -> ListedFile:
    return ListedFile(f"{folder}{entry.path[len(path) :]}", entry.size or 0, entry.mtime_ns // 1_000_000)


@lru_cache(maxsize=10_000)
def _real(folder: str) -> str:
    return os.path.realpath(Path(folder).absolute())
