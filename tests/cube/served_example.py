"""examples/orders as a user has it: `floe up`, `floe run`, and a Cube beside them that serves what they made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cube_home import CubeHome  # found by the path that conftest.py adds
from cube_server import CubeServer, cube_server
from running_stack import RunningStack

from floe_cli.stack.folders import stack_folder


@dataclass(frozen=True)
class ServedExample:
    """A product that was built, and the Cube that serves it.

    Attributes:
        stack: what builds it; its folder is the product's.
        cube: serves it.
    """

    stack: RunningStack
    cube: CubeServer

    def build(self) -> None:
        """Run it again, as it stands now."""
        built = self.stack.floe("run", self.stack.folder)
        assert built.returncode == 0, built.stderr


@contextmanager
def served_example(
    home: CubeHome,
    product: Path,
    folder: Path,
    *,
    name: str = "orders",
    of_stack: Mapping[str, str] | None = None,
    of_cube: Mapping[str, str | None] | None = None,
) -> Iterator[ServedExample]:
    """Build a product's folder once, and serve it.

    Args:
        home: where Cube is installed.
        product: the folder; not of the repository, as `.floe` is made in it.
        folder: an empty one for Cube.
        name: the product's name.
        of_stack: more settings of the stack.
        of_cube: more settings of Cube; None takes one away.
    """
    stack = RunningStack(product, of_stack)
    try:
        built = stack.floe("run", product)
        assert built.returncode == 0, built.stderr
        (semantic,) = re.findall(r"^semantic\s+(\S+)", stack.said.read_text(), re.MULTILINE)
        settings: dict[str, str | None] = {
            "FLOE_SEMANTIC_URL": semantic,
            "FLOE_ENVIRONMENT": "dev",
            "FLOE_PRODUCT": name,
            "FLOE_SERVE_DATABASE": str(stack_folder(product).serve_database("default", "dev", name)),
        }
        with cube_server(home, folder, environment={**settings, **(of_cube or {})}) as cube:
            cube.wait_until_ready()
            yield ServedExample(stack, cube)
    finally:
        stack.stop()
