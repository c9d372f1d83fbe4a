"""What the compiler needs from outside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from floe_contracts.artifacts import CompiledEnvironment, Tools
from floe_contracts.nodes import NodeGraph


@dataclass(frozen=True, slots=True)
class ParsedProject:
    """A dbt project as it is in one environment."""

    manifest: dict[str, Any]
    graph: NodeGraph


@dataclass(frozen=True, slots=True)
class CheckedOut:
    """A submission's files: where they stand, and the text of the two documents."""

    folder: Path
    floe_yaml: str | None
    platform_yaml: str


class Sources(Protocol):
    """Brings submissions to disk."""

    async def check_out(self, *, tenant: str, product: str, bundle: str, platform: str | None) -> CheckedOut:
        """Bring a bundle to the compiler's own folder of the product.

        Raises:
            Transient: a blob is not there yet.
            Permanent: a blob is corrupt, or the platform may not be brought along.
        """
        ...


class DbtParser(Protocol):
    """Parses dbt projects."""

    def tools(self) -> Tools:
        """The versions that parse."""
        ...

    async def parse(
        self, folder: Path, *, place: str, environment: str, product: str, compiled: CompiledEnvironment
    ) -> ParsedProject:
        """Parse the project for one environment.

        Raises:
            Permanent: dbt refuses the project.
            Transient: dbt died.
        """
        ...


class Blobs(Protocol):
    """Stores bytes under their digest."""

    async def put(self, content: bytes) -> str:
        """Store, and tell the digest."""
        ...
