"""A real Cube from npm. `make test` has one server test of these; `make test-cube` runs them all."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import pytest

_HERE = Path(__file__).parent
sys.path[:0] = [str(_HERE), str(_HERE.parent / "e2e")]

from cube_home import CubeHome, CubeMissing, find_cube  # noqa: E402 - found by the path above

_ALWAYS: Final = {"test_one_server.py"}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """All but one file run only where their folder or a file of it was asked for."""
    asked = [(config.invocation_params.dir / argument.partition("::")[0]).resolve() for argument in config.args]
    if collection_path == _HERE or collection_path.name in _ALWAYS:
        return None
    return None if any(path == _HERE or _HERE in path.parents for path in asked) else True


@pytest.fixture(scope="session")
def cube_home() -> CubeHome:
    """Cube as `make cube` installs it; without it the test is skipped, and says how to get it."""
    try:
        return find_cube()
    except CubeMissing as missing:
        pytest.skip(str(missing))
