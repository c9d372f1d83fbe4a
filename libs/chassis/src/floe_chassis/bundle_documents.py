"""The document of a source bundle, and what a bundle may hold.

It is canonical JSON, `{"version": "1.0", "files": [{path, mode, sha256, size}]}` sorted by path; its digest is the
bundle's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import translate
from pathlib import PurePosixPath
from typing import Any, Final

from floe_chassis.errors import BundleInvalid, BundleRefused
from floe_contracts.digests import PREFIX, canonical_json, is_digest
from floe_contracts.errors import Where

VERSION: Final = "1.0"
FILE_LIMIT: Final = 20_000_000
COUNT_LIMIT: Final = 10_000
TOTAL_LIMIT: Final = 100_000_000
DBT_PROJECT: Final = "dbt_project.yml"
MODES: Final = {"644": 0o644, "755": 0o755}

_NEVER: Final = re.compile(
    "|".join(map(translate, (".git", ".floe", "__pycache__", ".env*", "*.duckdb", "*.duckdb.wal", "*.db", "*.sqlite")))
)
# dbt's own output; a folder of that name elsewhere holds sources.
_DBT_OUTPUT: Final = frozenset({"target", "logs"})


@dataclass(frozen=True, slots=True)
class BundledFile:
    """One file of a bundle: a relative POSIX path, `644` or `755`, hex digits, bytes."""

    path: str
    mode: str
    sha256: str
    size: int


def read_bundle(content: bytes) -> tuple[BundledFile, ...]:
    """The files that a bundle document names.

    Raises:
        BundleInvalid: not a bundle document, or one that names a place that `pack` would not.
    """
    try:
        document = json.loads(content)
        version, listed = document["version"], document["files"]
        files = tuple(BundledFile(**file) for file in listed)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleInvalid(f"not a bundle document: {error!r}") from error
    if not isinstance(version, str) or version.split(".")[0] != VERSION.split(".")[0]:
        raise BundleInvalid(f"the bundle has version {version!r}, and this version of floe reads {VERSION}")
    for file in files:
        _check_shape(file)
    projects = {str(PurePosixPath(file.path).parent) for file in files if file.path.split("/")[-1] == DBT_PROJECT}
    total = 0
    for number, file in enumerate(files, start=1):
        total += file.size
        _check_place(file.path, projects)
        check_limits(file.path, file.size, number, total, BundleInvalid)
    if len({file.path for file in files}) != len(files):
        raise BundleInvalid("the bundle names a path twice")
    return files


def bundle_document(files: Iterable[BundledFile]) -> bytes:
    """The document of a bundle of `files`, which are sorted by their paths."""
    listed: list[dict[str, Any]] = [
        {"path": file.path, "mode": file.mode, "sha256": file.sha256, "size": file.size} for file in files
    ]
    return canonical_json({"version": VERSION, "files": listed})


def is_excluded(name: str, *, beside_project: bool) -> bool:
    """Whether no bundle holds a file or folder of that name.

    Args:
        name: the name alone, without the folders above it.
        beside_project: whether a `dbt_project.yml` stands beside it, or it is at the top: there dbt writes its output.
    """
    return _NEVER.match(name) is not None or (beside_project and name in _DBT_OUTPUT)


def check_limits(
    path: str, size: int, count: int, total: int, error: type[BundleRefused | BundleInvalid] = BundleRefused
) -> None:
    """Refuse a file that is too large, or one that makes a bundle too large.

    Args:
        path: the file.
        size: its bytes.
        count: the files so far, this one among them.
        total: their bytes.
        error: what is raised.

    Raises:
        BundleRefused: over a limit; or `error`.
    """
    hint = "data belongs into a table or a bucket, not into the project"
    if size > FILE_LIMIT:
        raise error(f"the file has {size} bytes, {FILE_LIMIT} at most", where=Where(file=path), hint=hint)
    if count > COUNT_LIMIT:
        raise error(f"the project has more than {COUNT_LIMIT} files", where=Where(file=path), hint=hint)
    if total > TOTAL_LIMIT:
        raise error(f"the project has more than {TOTAL_LIMIT} bytes", where=Where(file=path), hint=hint)


def _check_shape(file: BundledFile) -> None:
    texts = isinstance(file.path, str) and isinstance(file.sha256, str) and isinstance(file.mode, str)
    size = isinstance(file.size, int) and file.size >= 0
    if not (texts and size and file.mode in MODES and is_digest(PREFIX + file.sha256)):
        raise BundleInvalid(f"not a file of a bundle: {file!r}")


def _check_place(path: str, projects: set[str]) -> None:
    parts = path.split("/")
    # A backslash parts names on other systems.
    escaping = "\\" in path or not {"", ".", ".."}.isdisjoint(parts)
    left_out = any(
        is_excluded(part, beside_project=place == 0 or "/".join(parts[:place]) in projects)
        for place, part in enumerate(parts)
    )
    if escaping or left_out or not is_printable(path):
        raise BundleInvalid("the bundle names a place that no bundle may hold", where=Where(file=ascii(path)[1:-1]))


def is_printable(path: str) -> bool:
    """Whether a path is text that can be shown: no control characters, and UTF-8."""
    # A name that is not UTF-8 comes as lone surrogates, which are not printable either.
    return path.isprintable()
