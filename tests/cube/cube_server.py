"""A real Cube server in a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import urllib.error
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, TypeVar

import pytest
from cube_client import CubeAnswer, CubeClient  # found by the path that conftest.py adds
from cube_home import CONFIGURATION, CubeHome
from tokens import SECRET, token

from floe_chassis.testing import free_port

T = TypeVar("T")
_SHIM: Final = Path(__file__).with_name("native_shim.cjs")
_WITHIN: Final = 120.0
_STOP_WITHIN: Final = 60.0
_LOOK_AGAIN: Final = 0.05
_SETTINGS: Final = {
    "NODE_ENV": "production",
    "CUBEJS_DEV_MODE": "false",
    "CUBEJS_TELEMETRY": "false",
    "CUBEJS_LOG_LEVEL": "info",
    "CUBEJS_SCHEDULED_REFRESH_TIMER": "false",
    "CUBEJS_TESSERACT_SQL_PLANNER": "false",
    "CUBEJS_GRACEFUL_SHUTDOWN": "1",
    "CUBEJS_DB_TYPE": "duckdb",
    "CUBEJS_API_SECRET": SECRET,
}


class CubeServer:
    """A Cube on a port and in a folder of its own, both of which it keeps when it is stopped and started again."""

    def __init__(self, home: CubeHome, folder: Path, environment: Mapping[str, str | None]) -> None:
        self._home = home
        self._folder = folder
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._port = free_port()

    @property
    def url(self) -> str:
        """Its address, without the path of an API."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """The process that runs now."""
        assert self._process is not None, "Cube does not run"
        return self._process.pid

    def client(self, claims: dict[str, Any] | None = None) -> CubeClient:
        """A caller whose token has these claims."""
        return CubeClient(self.url, token(claims))

    def log(self) -> str:
        """All that it wrote, over all its starts."""
        log = self._folder / "cube.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def start(self) -> None:
        """Start it, and wait until it answers; that it has a bundle is another matter: `wait_until_ready`."""
        with (self._folder / "cube.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._home.node), str(self._home.folder / "node_modules/@cubejs-backend/server/bin/server")],
                cwd=self._folder,
                env=self._variables(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.eventually(lambda: self.asked("/livez") is not None, "it answers")

    def wait_until_ready(self) -> None:
        """Wait until it says that it can answer queries."""
        self.eventually(lambda: (ready := self.asked("/readyz")) is not None and ready.status == 200, "it is ready")

    def asked(self, path: str) -> CubeAnswer | None:
        """What it answers without a token; None while nothing listens."""
        try:
            return CubeClient(self.url).get(path)
        except (urllib.error.URLError, ConnectionError):
            return None

    def eventually(self, fact: Callable[[], T], what: str) -> T:
        """Wait for a fact for as long as Cube runs.

        Raises:
            AssertionError: Cube ended, or time is over; the message has the end of its log.
        """
        deadline = monotonic() + _WITHIN
        while True:
            if found := fact():
                return found
            ended = self._process is None or self._process.poll() is not None
            if ended or monotonic() > deadline:
                state = "Cube has ended" if ended else f"not within {_WITHIN:.0f} s"
                raise AssertionError(f"waited until {what}: {state}\n{self.log()[-4000:]}")
            sleep(_LOOK_AGAIN)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it; without effect if it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End it as a crash would, while others go on; `stop` has to be called before it starts again."""
        os.kill(self.pid, signal.SIGKILL)

    def printed(self, script: str) -> str:
        """What a Node.js script prints that runs in Cube's place: in its folder and with its settings.

        Raises:
            AssertionError: it failed; the message has what it said.
        """
        command = [str(self._home.node), "-e", script]
        done = subprocess.run(
            command,
            cwd=self._folder,
            env=self._variables(),
            capture_output=True,
            text=True,
            check=False,
            timeout=_WITHIN,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _variables(self) -> dict[str, str]:
        own = {
            "PATH": f"{self._home.node.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self._folder),
            "PORT": str(self._port),
            "NODE_OPTIONS": f'--require "{_SHIM}"',
            "FLOE_SEMANTIC_CUBE_HOME": str(self._home.folder),
        }
        given = {**_SETTINGS, **own, **self._environment}
        return {name: value for name, value in given.items() if value is not None}


@contextmanager
def cube_server(
    home: CubeHome,
    folder: Path,
    *,
    models: Mapping[str, str] | None = None,
    cube_js: str | None = None,
    environment: Mapping[str, str | None] | None = None,
) -> Iterator[CubeServer]:
    """A Cube that runs.

    With neither `models` nor `cube_js` it has floe's own cube.js, and asks the service at `FLOE_SEMANTIC_URL` of
    `environment` for its bundle.

    Args:
        home: where Cube is installed.
        folder: an empty folder for it; its log is `cube.log` there.
        models: texts of model files by name, which Cube reads without floe's cube.js.
        cube_js: the text of another cube.js.
        environment: settings beside the usual ones, or instead of them; None takes one away.
    """
    if "CUBE_URL" in os.environ:
        pytest.skip("the Cube at CUBE_URL is not this test's own: it wants one with other settings")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "node_modules").symlink_to(home.folder / "node_modules")
    for name, text in (models or {}).items():
        path = folder / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    if cube_js is not None:
        (folder / "cube.js").write_text(cube_js)
    elif models is None:
        shutil.copy(CONFIGURATION / "cube.js", folder)
        shutil.copytree(CONFIGURATION / "floe", folder / "floe")
    server = CubeServer(home, folder, environment or {})
    try:
        server.start()
        yield server
    finally:
        server.stop()
