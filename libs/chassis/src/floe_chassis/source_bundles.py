"""Source bundles: a project folder as blobs under one digest, the same wherever and whenever it is packed.

The document that lists the files is a blob (see `bundle_documents`), and each file is one of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from hashlib import file_digest
from pathlib import Path, PurePosixPath
from typing import Final

from floe_chassis.blobs import BlobStore
from floe_chassis.bundle_documents import (
    DBT_PROJECT,
    MODES,
    BundledFile,
    bundle_document,
    check_limits,
    is_excluded,
    is_printable,
    read_bundle,
)
from floe_chassis.errors import BundleInvalid, BundleRefused
from floe_contracts.digests import PREFIX, digest_of
from floe_contracts.errors import Where

_DBT_PACKAGES: Final = "dbt_packages"
_AT_ONCE: Final = 8
_EXECUTABLE: Final = stat.S_IXUSR
_PART: Final = ".floe-part"
_LAST: Final = Path(".floe", "bundle.json")


async def pack(folder: Path, store: BlobStore, *, below: str = "") -> str:
    """Put the project in `folder` into the store.

    Args:
        folder: the project.
        store: takes the files and the bundle's document.
        below: a relative POSIX path; only what lies below it is packed, under its path from `folder`.

    Returns:
        The digest of the bundle.

    Raises:
        BundleRefused: a symlink, another special file, a name with control characters, or too much.
        Unreachable: the store does not take it.
    """
    files = await asyncio.to_thread(_inventory, folder, below)
    limit = asyncio.Semaphore(_AT_ONCE)

    async def put(file: BundledFile) -> None:
        async with limit:
            if await store.has(PREFIX + file.sha256):  # most files are there from the last time
                return
            digest = await store.put(await asyncio.to_thread((folder / file.path).read_bytes))
        if digest != PREFIX + file.sha256:
            raise BundleRefused("the file changed while it was packed", where=Where(file=file.path), hint="try again")

    # A file that is there twice is stored once.
    await asyncio.gather(*(put(file) for file in {file.sha256: file for file in files}.values()))
    return await store.put(bundle_document(files))


async def bundle_digest(folder: Path) -> str:
    """The digest that `pack` would give the project in `folder`; stores nothing. Raises what `pack` raises."""
    return digest_of(bundle_document(await asyncio.to_thread(_inventory, folder)))


async def unpack(digest: str, store: BlobStore, folder: Path, *, packages: str | None = None) -> None:
    """Make `folder` hold what the bundle holds, touching only what differs.

    With the digest of a second bundle, that of installed dbt packages, the folder holds both; an install folder that
    the second one fills holds nothing of the first one.

    What `pack` leaves out (dbt's output, databases, `.env`) stays as it is, and so do packages that were installed
    here, if the bundle brings none. Symlinks in the folder are removed: they could lead writing elsewhere.

    Raises:
        BundleInvalid: not a bundle, or one that names a place that `pack` would not.
        BlobMissing: a part is not in the store.
        BlobCorrupt: a part does not have its digest.
        Unreachable: the store does not answer.
    """
    document = await store.get(digest)
    files = read_bundle(document)
    if packages is not None:
        files = _with_packages(files, read_bundle(await store.get(packages)))
        document = bundle_document(files)
    stale = await asyncio.to_thread(_prepare, folder, files)
    limit = asyncio.Semaphore(_AT_ONCE)

    async def place(file: BundledFile) -> None:
        async with limit:
            content = await store.get(PREFIX + file.sha256)
            if len(content) != file.size:
                raise BundleInvalid(f"the file has {len(content)} bytes, not {file.size}", where=Where(file=file.path))
            await asyncio.to_thread(_write, folder / file.path, content, MODES[file.mode])

    await asyncio.gather(*(place(file) for file in stale))
    await asyncio.to_thread(_write, folder / _LAST, document, MODES["644"])


def unpacked_paths(folder: Path) -> frozenset[str]:
    """The paths that `unpack` last brought to `folder`: packages among them came along, others were installed there."""
    # Written by `unpack` itself, from what it had checked.
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return frozenset(file["path"] for file in json.loads((folder / _LAST).read_bytes())["files"])
    return frozenset()


def _with_packages(files: tuple[BundledFile, ...], packages: tuple[BundledFile, ...]) -> tuple[BundledFile, ...]:
    replaced = _package_folders(file.path for file in packages)
    kept = (file for file in files if replaced.isdisjoint(_package_folders([file.path])))
    return tuple(sorted((*kept, *packages), key=lambda file: file.path))


def _package_folders(paths: Iterable[str]) -> set[str]:
    return {str(parent) for path in paths for parent in PurePosixPath(path).parents if parent.name == _DBT_PACKAGES}


def _inventory(folder: Path, below: str = "") -> list[BundledFile]:
    # All is counted before anything is read: what is refused is refused at once.
    places: dict[str, Path] = {}
    total = 0
    for path, entry in _sources(folder, below):
        _check_kind(path, entry)
        size = entry.stat(follow_symlinks=False).st_size
        total += size
        places[path] = Path(entry.path)
        check_limits(path, size, len(places), total)
    return [_described(path, places[path]) for path in sorted(places)]


def _described(path: str, file: Path) -> BundledFile:
    with file.open("rb") as content:
        status = os.fstat(content.fileno())
        mode = "755" if status.st_mode & _EXECUTABLE else "644"
        return BundledFile(path, mode, file_digest(content, "sha256").hexdigest(), status.st_size)


def _sources(folder: Path, below: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """All that `pack` looks at below `folder`, with relative POSIX paths; folders are walked, not yielded."""
    waiting = [(folder / below, f"{below}/" if below else "")]
    while waiting:
        place, prefix = waiting.pop()
        with os.scandir(place) as entries:
            listed = list(entries)
        output_here = not prefix or any(entry.name == DBT_PROJECT for entry in listed)
        for entry in listed:
            if is_excluded(entry.name, beside_project=output_here):
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append((place / entry.name, f"{prefix}{entry.name}/"))
            else:
                yield prefix + entry.name, entry


def _check_kind(path: str, entry: os.DirEntry[str]) -> None:
    where = Where(file=ascii(path)[1:-1])
    if entry.is_symlink():
        raise BundleRefused("symlinks are not carried", where=where, hint="put the file itself there")
    if not entry.is_file(follow_symlinks=False):
        raise BundleRefused("only files and folders are carried", where=where)
    if not is_printable(path):
        raise BundleRefused("the name has control characters or is not UTF-8", where=where, hint="rename the file")


def _prepare(folder: Path, files: tuple[BundledFile, ...]) -> list[BundledFile]:
    """Remove what the bundle does not hold; returns the files whose content must be written."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {file.path: file for file in files}
    packaged = _package_folders(wanted)
    brought = unpacked_paths(folder)
    current = set()
    for path, entry in list(_sources(folder)):
        packages = next((str(p) for p in PurePosixPath(path).parents if p.name == _DBT_PACKAGES), None)
        if packages is not None and packages not in packaged and path not in brought:
            continue
        if path not in wanted or entry.is_symlink():
            (folder / path).unlink()
        elif _is_current(folder / path, wanted[path]):
            current.add(path)
    _remove_empty(folder)
    return [file for file in files if file.path not in current]


def _is_current(path: Path, wanted: BundledFile) -> bool:
    if path.stat().st_size != wanted.size:
        return False
    have = _described(wanted.path, path)
    if have.sha256 == wanted.sha256 and have.mode != wanted.mode:
        path.chmod(MODES[wanted.mode])
    return have.sha256 == wanted.sha256


def _remove_empty(folder: Path, *, root: bool = True) -> None:
    beside_project = root or (folder / DBT_PROJECT).exists()
    for path in list(folder.iterdir()):
        if path.is_symlink() or not path.is_dir():
            continue
        if not is_excluded(path.name, beside_project=beside_project):
            _remove_empty(path, root=False)
            if not any(path.iterdir()):
                path.rmdir()


def _write(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        # A folder of things that were left alone, where the bundle now has a file.
        shutil.rmtree(path)
    part = path.with_name(path.name + _PART)
    part.write_bytes(content)
    part.chmod(mode)
    part.replace(path)
