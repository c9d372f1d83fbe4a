"""What the compiler needs from outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Protocol

from floe_compiler.core.cache_key import CachedCompilation
from floe_compiler.core.data_contracts.discovery import NamedContract
from floe_compiler.core.data_contracts.reading import DataContract
from floe_contracts.artifacts import CompiledEnvironment, Tools
from floe_contracts.events import ArtifactCompiled
from floe_contracts.nodes import NodeGraph


@dataclass(frozen=True, slots=True)
class ParsedProject:
    """A dbt project in one environment: its normalised manifest as canonical JSON, and what floe reads in it."""

    manifest: bytes
    graph: NodeGraph


@dataclass(frozen=True, slots=True)
class CheckedOut:
    """A submission's files: where they stand, and the texts of the documents.

    Attributes:
        platform_parents: the documents above platform.yaml, by their paths from its folder.
    """

    folder: Path
    floe_yaml: str | None
    platform_yaml: str
    platform_parents: Mapping[str, str] = field(default_factory=dict)


class Sources(Protocol):
    """Brings submissions to disk."""

    async def check_out(
        self, *, tenant: str, product: str, bundle: str, platform: str | None, platform_parents: Mapping[str, str]
    ) -> CheckedOut:
        """Bring a bundle to the compiler's own folder of the product.

        Args:
            tenant: whom the product belongs to.
            product: its name.
            bundle: digest of its files.
            platform: digest of the platform.yaml that came with it.
            platform_parents: digests of the documents above that, by their paths from its folder.

        Raises:
            Transient: a blob is not there yet.
            Permanent: a blob is corrupt, or the platform may not be brought along.
        """
        ...

    async def platforms(self, *, platform: str | None, platform_parents: Mapping[str, str]) -> Mapping[str, str]:
        """Digests of the platform documents that a submission would be compiled against, by where they come from.

        Args:
            platform: digest of the platform.yaml that came with it.
            platform_parents: digests of the documents above that, by their paths from its folder.

        Raises:
            Permanent: the platform may not be brought along.
        """
        ...


class DbtParser(Protocol):
    """Parses dbt projects."""

    def tools(self) -> Tools:
        """The versions that parse."""
        ...

    async def parse(
        self,
        folder: Path,
        *,
        place: str,
        environment: str,
        product: str,
        compiled: CompiledEnvironment,
        classifications: Sequence[str],
    ) -> ParsedProject:
        """Parse the project for one environment, in which columns may be classified by `classifications`.

        Raises:
            Permanent: dbt refuses the project.
            Transient: dbt died.
        """
        ...


class ReadContracts(Protocol):
    """Reads the data contracts among the files of a submission."""

    async def __call__(self, folder: Path, named: Iterable[NamedContract]) -> tuple[DataContract, ...]:
        """The contracts of a product, sorted by their files.

        Args:
            folder: the product's folder as it was checked out.
            named: the contracts that output ports name.

        Raises:
            DocumentInvalid: with all problems of all contracts.
        """
        ...


class Packages(Protocol):
    """Provides what a dbt project declares as packages."""

    async def provide(self, folder: Path, project: str) -> str | None:
        """See that the packages stand beside the project, installed if it brought none along.

        Args:
            folder: the product's folder as it was checked out.
            project: folder of dbt_project.yml from there.

        Returns:
            The digest of a bundle with the packages, with paths from the product's folder; None when the submission
            brought all that it needs.

        Raises:
            Permanent: they are refused, not pinned, or cannot be had.
            Transient: dbt or the blob store does not answer.
        """
        ...


class Blobs(Protocol):
    """Stores bytes under their digest."""

    async def put(self, content: bytes) -> str:
        """Store, and tell the digest."""
        ...


class ReadableBlobs(Blobs, Protocol):
    """Gives them back, too."""

    async def get(self, digest: str) -> bytes:
        """The content with that digest.

        Raises:
            BlobMissing: it is not there.
            Permanent: what is there is something else.
        """
        ...


class CompileCache(Protocol):
    """Remembers what compilations came to. Never fails: without it, everything is compiled."""

    async def find(self, key: str, today: date) -> CachedCompilation | None:
        """What the compilation of that key came to; None unless all of it is there and would be the same today."""
        ...

    async def remember(self, key: str, compilation: CachedCompilation) -> None:
        """Keep an outcome, of which everything is stored already."""
        ...


class ArtifactHistory(Protocol):
    """Knows what was compiled before."""

    async def latest(self, tenant: str, product: str) -> ArtifactCompiled | None:
        """What was announced last for a product; None before the first time.

        Raises:
            Transient: the history cannot be reached.
            Permanent: it was announced by a floe that this one does not understand.
        """
        ...
