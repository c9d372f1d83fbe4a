"""`floe up` in a process of its own, and commands that use it: one stack for a whole module of tests."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from e2e_project import FLOE, run_floe

from floe_chassis.blobs import BlobStore, open_blobs
from floe_chassis.bus import Bus
from floe_chassis.settings import ChassisSettings, load_settings
from floe_cli.stack.folders import stack_folder

_READY: Final = "ready; "
_SECONDS: Final = 120.0
_LOOK_AGAIN: Final = 0.05


class RunningStack:
    """An embedded stack.

    Attributes:
        folder: below it, `.floe` holds everything that the stack keeps.
        said: file with what the process prints.
        process: the process.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        """Start it, and wait until every service is up.

        Args:
            folder: made if it is not there.
            environment: variables of the stack and of every command, beside those of the tests.
        """
        self.folder = folder
        self._extra = dict(environment or {})
        folder.mkdir(parents=True, exist_ok=True)
        self.said = folder / "up.txt"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("FLOE_")}
        with self.said.open("wb") as output:
            self.process = subprocess.Popen(
                [str(FLOE), "up", str(folder), "--http-port", "0"],
                env=inherited | self._extra,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + _SECONDS
        while _READY not in self.said.read_text():
            assert self.process.poll() is None, self.said.read_text()
            assert time.monotonic() < deadline, self.said.read_text()
            time.sleep(_LOOK_AGAIN)
        running = stack_folder(folder).running()
        assert running is not None
        self.settings = {"FLOE_NATS_URL": running.nats_url, "FLOE_BLOBS_URL": stack_folder(folder).blobs_url}

    def floe(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command against the stack, to its end."""
        return run_floe(*arguments, environment=self._extra | self.settings)

    @property
    def blobs(self) -> BlobStore:
        """The blob store of the stack."""
        return open_blobs(self.settings["FLOE_BLOBS_URL"])

    @asynccontextmanager
    async def bus(self) -> AsyncIterator[Bus]:
        """A connection to the stack."""
        connection = Bus("test", load_settings(ChassisSettings, self.settings))
        await connection.connect(wait=False)
        try:
            yield connection
        finally:
            await connection.close()

    def stop(self) -> None:
        """End it as Ctrl-C does; what it still has to tell is told."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files below a folder; their paths are relative to it."""
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder
