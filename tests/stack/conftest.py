"""Real servers for a whole run of `make test-stack`. `make test` leaves them out: they take hundreds of megabytes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TypeVar

import pytest

_HERE = Path(__file__).parent
sys.path[:0] = [str(_HERE), str(_HERE.parent / "e2e")]

from java_tools import ToolMissing  # noqa: E402 - found by the path above
from servers import CatalogServer, S3Store, iceberg_rest, nessie, s3_store  # noqa: E402

T = TypeVar("T")


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """They run only where their folder or a file of it was asked for."""
    asked = [(config.invocation_params.dir / argument.partition("::")[0]).resolve() for argument in config.args]
    return None if any(path == _HERE or _HERE in path.parents for path in asked) else True


@pytest.fixture(scope="session")
def store() -> Iterator[S3Store]:
    with s3_store() as running:
        yield running


@pytest.fixture(scope="session")
def nessie_server(store: S3Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CatalogServer]:
    yield from _started(nessie(store, tmp_path_factory.mktemp("nessie")))


@pytest.fixture(scope="session")
def iceberg_rest_server(store: S3Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CatalogServer]:
    yield from _started(iceberg_rest(store, tmp_path_factory.mktemp("iceberg-rest")))


def _started(server: AbstractContextManager[T]) -> Iterator[T]:
    """Without its tools a server cannot be had, which is no failure and no success."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(server)
        except ToolMissing as missing:
            pytest.skip(str(missing))
        yield running
