"""What compiling from repositories needs from outside."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from floe_compiler.core.git.state import RefState
from floe_compiler.core.git.tree import TreeEntry
from floe_contracts.repositories import Repository


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit as it was fetched: its hash, the object id of its tree, and all of the tree's entries."""

    oid: str
    root: str
    entries: tuple[TreeEntry, ...]


@dataclass(frozen=True, slots=True)
class StoredRef:
    """The state of a ref and the revision it was read at; 0 if it was never written."""

    state: RefState
    revision: int


class Repositories(Protocol):
    """Reads repositories that live elsewhere.

    Every method raises `GitFailed` when the server does not play along, and `GitMissing` without a git program.
    """

    async def head(self, repository: Repository, ref: str) -> str | None:
        """The object that the ref points to now, or None if there is no such ref."""
        ...

    async def fetch(self, repository: Repository, ref: str) -> Commit:
        """Fetch the commit that the ref points to now, without the contents of its files.

        Raises:
            RepositoryTooLarge: more files or bytes than are taken.
        """
        ...

    async def bring(self, repository: Repository, oids: Collection[str]) -> Mapping[str, int]:
        """Fetch the contents of files, and tell their sizes in bytes.

        Raises:
            RepositoryTooLarge: more bytes than are taken.
        """
        ...

    async def read(self, repository: Repository, oids: Collection[str]) -> Mapping[str, bytes]:
        """The contents of files that were brought; all of them in memory."""
        ...

    async def export(self, repository: Repository, files: Sequence[TreeEntry], folder: Path) -> tuple[str, ...]:
        """Write files that were brought into `folder`, which is emptied before.

        Returns:
            The paths of files that are mere pointers of Git LFS.
        """
        ...


class Registry(Protocol):
    """Remembers refs and owners. Every method raises `Transient` when the bus does not answer."""

    async def ref_state(self, tenant: str, repository: str, ref: str) -> StoredRef:
        """What is known of a ref."""
        ...

    async def save(self, tenant: str, stored: StoredRef, state: RefState) -> StoredRef:
        """Write the next state of a ref.

        Raises:
            StateChanged: another compiler wrote it since `stored` was read.
        """
        ...

    async def other_refs(self, tenant: str, repository: str, ref: str) -> tuple[RefState, ...]:
        """What is known of the repository's other refs."""
        ...

    async def owner(self, tenant: str, product: str) -> str | None:
        """The repository that a name belongs to, if it belongs to one."""
        ...

    async def claim(self, tenant: str, product: str, repository: str) -> str:
        """Take a name unless it is taken; the repository that it belongs to now."""
        ...

    async def release(self, tenant: str, product: str, repository: str) -> None:
        """Give a name back, if it belongs to `repository`."""
        ...
