"""The document of a Cube bundle, whose digest is the bundle's: a pure function of artifact and environment."""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field

from floe_contracts.data import Data, FirstMajor

VERSION: Final = "1.1"


class Verification(Data):
    """Whom Cube must show everything that anybody may see."""

    roles: tuple[str, ...] = Field(default=(), description="Every role that a policy names.")
    claims: dict[str, Any] = Field(default_factory=dict, description="Every claim that a policy names.")


class BundleDocument(Data):
    """A bundle: its files, and what Cube must show of them."""

    version: FirstMajor = Field(default=VERSION, description="Version of this document's form.")
    files: dict[str, str] = Field(description="Path -> digest of the text.")
    cubes: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="Members of each cube.")
    views: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="Members of each view.")
    policies: int = Field(default=0, description="Number of access policies.")
    skipped: tuple[str, ...] = Field(default=(), description="What could not be said in Cube, and why.")
    verification: Verification = Verification()

    @property
    def members(self) -> int:
        """How many members cubes and views have together."""
        return sum(len(names) for names in (*self.cubes.values(), *self.views.values()))
