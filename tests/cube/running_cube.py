"""A Cube that runs already, where `CUBE_URL` says: an unmodified image, started by tests/cube/docker-compose.yml."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, NoReturn, TypeVar

import duckdb
import pytest
from cube_home import CubeHome  # found by the path that conftest.py adds
from cube_server import CubeServer

T = TypeVar("T")
URL: Final = os.environ.get("CUBE_URL", "").rstrip("/")
"""Where it is; empty if tests start their own."""
SEMANTIC_PORT: Final = int(os.environ.get("CUBE_TEST_SEMANTIC_PORT", "8099"))
"""Where it asks for its bundle."""
SQL_PORT: Final = int(os.environ.get("CUBE_TEST_SQL_PORT", "15432"))
"""Where its SQL API listens."""
_FOLDER: Final = Path(os.environ.get("CUBE_TEST_FOLDER", "/tmp/floe-cube-tests"))  # noqa: S108 - as the compose file has it
_DATABASE: Final = "CUBEJS_DB_DUCKDB_DATABASE_PATH"
_OF_NO_MATTER: Final = {"CUBEJS_LOG_LEVEL", "CUBEJS_DB_TYPE", "CUBEJS_WEB_SOCKETS", "FLOE_CUBE_ANSWER_SECONDS"}
_WITHIN: Final = 120.0
_LOOK_AGAIN: Final = 0.05


class RunningCube(CubeServer):
    """Asked as one that tests start themselves; what only such a one can show skips its test."""

    def __init__(self, folder: Path) -> None:
        super().__init__(CubeHome(folder, Path("node")), folder, {})

    @property
    def url(self) -> str:
        """Its address, without the path of an API."""
        return URL

    @property
    def pid(self) -> int:
        """Nobody's here."""
        _not_ours("its process")

    def log(self) -> str:
        """Nobody's here."""
        _not_ours("its log")

    def printed(self, script: str) -> str:
        """Nobody's here."""
        _not_ours(f"its folder, for {len(script)} characters of script")

    def start(self) -> None:
        """It runs."""

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """It goes on."""
        if how is not signal.SIGTERM:
            _not_ours("its end")

    def kill(self) -> None:
        """Nobody's here."""
        _not_ours("its end")

    def eventually(self, fact: Callable[[], T], what: str) -> T:
        """Wait for a fact.

        Raises:
            AssertionError: time is over.
        """
        deadline = monotonic() + _WITHIN
        while not (found := fact()):
            assert monotonic() < deadline, f"waited until {what}: not within {_WITHIN:.0f} s at {URL}"
            sleep(_LOOK_AGAIN)
        return found


def given_to_running_cube(settings: Mapping[str, Any]) -> None:
    """Give it the DuckDB file that a test would tell its own Cube of, or an empty one; other settings skip the test."""
    unknown = set(settings) - _OF_NO_MATTER - {_DATABASE}
    if unknown or settings.get("CUBEJS_DB_TYPE", "duckdb") != "duckdb":
        _not_ours(f"its settings {', '.join(sorted(unknown)) or 'of another warehouse'}")
    _FOLDER.mkdir(parents=True, exist_ok=True)
    copy = _FOLDER / "serve.duckdb.new"
    copy.unlink(missing_ok=True)
    if _DATABASE in settings:
        shutil.copy(settings[_DATABASE], copy)
    with duckdb.connect(str(copy), config={"storage_compatibility_version": "v1.4.0"}) as database:
        database.execute("CREATE SCHEMA floe_serve")
        database.execute("CREATE TABLE floe_serve.tables (location VARCHAR, refused VARCHAR)")
    copy.replace(_FOLDER / "serve.duckdb")


def _not_ours(what: str) -> NoReturn:
    pytest.skip(f"the Cube at CUBE_URL is not this test's own: {what}")
