"""Cube's own compiler, for the tests that ask it what it makes of a bundle."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .cube_compiler import CubeCompiler, running_compiler


@pytest.fixture(scope="session")
def cube_compiler(node: str) -> Iterator[CubeCompiler]:
    """Cube's own compiler."""
    with running_compiler(node) as compiler:
        yield compiler
