"""The example, built by floe's own stack and served by a real Cube."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cube_home import CubeHome  # found by the path that conftest.py adds
from cube_server import CubeServer, cube_server
from e2e_project import copy_example
from running_stack import RunningStack


@contextmanager
def served_example(home: CubeHome, folder: Path) -> Iterator[tuple[CubeServer, RunningStack]]:
    """A Cube that is ready, and the stack that it has its bundle and its tables from."""
    stack = RunningStack(copy_example(folder / "example"))
    try:
        built = stack.floe("run", stack.folder)
        assert built.returncode == 0, built.stderr
        (semantic,) = re.findall(r"^semantic\s+(\S+)", stack.said.read_text(), re.MULTILINE)
        environment = {
            "FLOE_SEMANTIC_URL": semantic,
            "FLOE_ENVIRONMENT": "dev",
            "FLOE_PRODUCT": "orders",
            "FLOE_SERVE_DATABASE": str(stack.folder / ".floe/serve/default/dev/orders/serve.duckdb"),
        }
        with cube_server(home, folder / "cube", environment=environment) as cube:
            cube.wait_until_ready()
            yield cube, stack
    finally:
        stack.stop()
