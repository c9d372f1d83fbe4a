"""A real Cube from npm. `make test` has one server test of these; `make test-cube` runs them all."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

_HERE = Path(__file__).parent
sys.path[:0] = [str(_HERE), str(_HERE.parent / "e2e")]

from bundle_server import BundleServer, served_cube  # noqa: E402 - found by the path above
from cube_facts import serves  # noqa: E402
from cube_home import HOME, CubeHome, CubeMissing, find_cube  # noqa: E402
from cube_server import CubeServer  # noqa: E402
from e2e_project import copy_example  # noqa: E402
from models import ORDERS  # noqa: E402
from running_cube import URL  # noqa: E402
from served_example import ServedExample, served_example  # noqa: E402

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
    if URL:
        return CubeHome(HOME, Path("node"))
    try:
        return find_cube()
    except CubeMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def small_cube(
    cube_home: CubeHome, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[CubeServer, BundleServer]]:
    """A Cube with floe's cube.js and the small model, for the tests of a module."""
    folder = tmp_path_factory.mktemp("cube") / "cube"
    with served_cube(cube_home, folder, {"orders.yml": ORDERS}) as started:
        yield started


@pytest.fixture
def served(small_cube: tuple[CubeServer, BundleServer]) -> tuple[CubeServer, BundleServer]:
    """That Cube, serving the small model; whatever the test before did to it is over."""
    cube, bundles = small_cube
    bundles.fault, bundles.withdrawn, bundles.outcome = None, False, lambda verdict: str(verdict["outcome"])
    serves(cube, bundles, bundles.offer({"orders.yml": ORDERS}))
    return small_cube


@pytest.fixture(scope="session")
def example(cube_home: CubeHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedExample]:
    """examples/orders, built and served; whoever changes it builds it again as it was."""
    product = copy_example(tmp_path_factory.mktemp("example"))
    with served_example(cube_home, product, tmp_path_factory.mktemp("cube")) as running:
        yield running
