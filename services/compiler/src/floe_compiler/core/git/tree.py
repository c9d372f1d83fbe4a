"""The tree of a commit: which folders hold products, and what in them is refused. Nothing of it is on disk yet."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import PurePosixPath
from typing import Final

from floe_compiler.core.git.errors import (
    PathRefused,
    ProductTooLarge,
    RepositoryTooLarge,
    SubmoduleRefused,
    SymlinkRefused,
)
from floe_contracts.errors import FloeError, Where

SPEC_FILE: Final = "floe.yaml"
MAX_DEPTH: Final = 32
MAX_PATH: Final = 1024
MAX_NAME: Final = 200
MAX_REFUSALS: Final = 20
"""Of one folder; more of the same helps nobody."""
_TREE: Final = "040000"
_SYMLINK: Final = "120000"
_SUBMODULE: Final = "160000"
_FILES: Final = frozenset({"100644", "100755", "100664"})
_GIT_FOLDERS: Final = frozenset({".git", "git~1"})
_NOT_SOUGHT: Final = frozenset({"dbt_packages", "node_modules", "target"})


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One entry of a commit's tree; `path` is relative to the repository's top."""

    path: str
    mode: str
    oid: str

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return self.mode in _FILES


@dataclass(frozen=True, slots=True)
class ProductFolder:
    """A folder that holds a floe.yaml.

    Attributes:
        path: relative to the repository's top; empty for the top itself.
        tree: object id of the folder: another one as soon as anything in it differs.
        entries: all that is in it, folders included, with paths relative to it.
    """

    path: str
    tree: str
    entries: tuple[TreeEntry, ...]

    @property
    def files(self) -> tuple[TreeEntry, ...]:
        """The regular files."""
        return tuple(entry for entry in self.entries if entry.is_file)

    def spec(self) -> TreeEntry:
        """The floe.yaml."""
        return next(entry for entry in self.entries if entry.path == SPEC_FILE)


def find_products(root: str, entries: Sequence[TreeEntry], most: int) -> tuple[ProductFolder, ...]:
    """The folders that hold a floe.yaml, sorted by path. A folder within another one is a product of its own, too.

    Folders of packages, of dbt's output and hidden ones are not looked into.

    Args:
        root: object id of the commit's tree.
        entries: of the whole commit, each folder right before what is in it.
        most: products that a repository may have.

    Raises:
        RepositoryTooLarge: there are more.
    """
    starts = {entry.path: index + 1 for index, entry in enumerate(entries) if entry.mode == _TREE} | {"": 0}
    folders = sorted({folder for entry in entries if (folder := _product_folder(entry)) in starts})
    if len(folders) > most:
        place = Where(_joined(folders[most], SPEC_FILE))
        raise RepositoryTooLarge(f"the repository has {len(folders)} products, {most} at most", where=place)
    return tuple(
        ProductFolder(
            folder,
            tree=entries[starts[folder] - 1].oid if folder else root,
            entries=tuple(_below(folder, islice(entries, starts[folder], None))),
        )
        for folder in folders
    )


def check_folder(folder: ProductFolder, most_files: int) -> tuple[FloeError, ...]:
    """What in a product's folder is refused; paths are relative to the folder."""
    problems: list[FloeError] = []
    seen: dict[str, str] = {}
    for entry in folder.entries:
        if problem := _entry_problem(entry) or _collision(entry, seen):
            problems.append(problem)
        if len(problems) >= MAX_REFUSALS:
            break
    if len(folder.files) > most_files:
        where = Where(folder.files[most_files].path)
        text = f"the folder has {len(folder.files)} files, {most_files} at most"
        problems.append(ProductTooLarge(text, where=where, hint="data belongs into a table or a bucket"))
    return tuple(problems)


def shown(path: str) -> str:
    """A path of a repository as it may stand in a message."""
    return path if path.isprintable() else ascii(path)[1:-1]


def _product_folder(entry: TreeEntry) -> str | None:
    *folders, name = entry.path.split("/")
    if name != SPEC_FILE or entry.mode == _TREE:
        return None
    hidden = any(part.startswith(".") or part in _NOT_SOUGHT for part in folders)
    return None if hidden else "/".join(folders)


def _below(folder: str, following: Iterable[TreeEntry]) -> Iterator[TreeEntry]:
    prefix = f"{folder}/" if folder else ""
    for entry in takewhile(lambda entry: entry.path.startswith(prefix), following):
        yield TreeEntry(entry.path[len(prefix) :], entry.mode, entry.oid)


def _entry_problem(entry: TreeEntry) -> FloeError | None:
    where = Where(shown(entry.path))
    if entry.mode == _SYMLINK:
        return SymlinkRefused("symlinks are not taken", where=where, hint="put the file itself there")
    if entry.mode == _SUBMODULE:
        hint = "put the files themselves there, or use a dbt package"
        return SubmoduleRefused("submodules are not fetched", where=where, hint=hint)
    if entry.mode != _TREE and not entry.is_file:
        return PathRefused(f"an entry of the mode {entry.mode} is no file", where=where)
    parts = entry.path.split("/")
    if not {"", ".", ".."}.isdisjoint(parts):
        return PathRefused("the path leads out of its folder", where=where)
    if any(_names_git(part) for part in parts):
        return PathRefused("a folder of Git's own is inside the tree", where=where)
    if "\\" in entry.path or not entry.path.isprintable():
        hint = "rename the file"
        return PathRefused("the name has a backslash or characters that do not print", where=where, hint=hint)
    if len(parts) > MAX_DEPTH or len(entry.path.encode()) > MAX_PATH or any(len(p.encode()) > MAX_NAME for p in parts):
        text = f"the path is deeper than {MAX_DEPTH} folders, longer than {MAX_PATH} bytes, or a name than {MAX_NAME}"
        return PathRefused(text, where=where)
    return None


def _names_git(part: str) -> bool:
    """Whether some file system takes `part` for the folder `.git`: case, trailing dots, invisible characters."""
    visible = "".join(character for character in part if unicodedata.category(character) != "Cf")
    return visible.lower().rstrip(". ") in _GIT_FOLDERS


def _collision(entry: TreeEntry, seen: dict[str, str]) -> FloeError | None:
    """Whether a file system that ignores case would take the path for one that was there before."""
    folded = unicodedata.normalize("NFC", entry.path).casefold()
    other = seen.get(folded)
    if other is None:
        seen[folded] = entry.path
        return None
    above, below = folded.rpartition("/")[0], entry.path.rpartition("/")[0]
    if above and seen.get(above) != below:
        # The folders collide already, and that was told.
        return None
    text = "the name stands twice" if other == entry.path else f"the name differs from {shown(other)!r} in case alone"
    return PathRefused(text, where=Where(shown(entry.path)), hint="rename one of them")


def _joined(folder: str, name: str) -> str:
    return (PurePosixPath(folder) / name).as_posix()
