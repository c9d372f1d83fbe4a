"""Services of floe as processes of their own, started by the command that production uses."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from plain_http import ask

FLOE = Path(sys.executable).with_name("floe")
_START_SECONDS = 60.0


class ServiceProcess:
    """`floe serve SERVICE` with an HTTP address of its own, ready to work inside the block."""

    def __init__(self, service: str, folder: Path, environment: Mapping[str, str]) -> None:
        self._service = service
        self._folder = folder
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ},
            "FLOE_HTTP_PORT": str(port),
            "FLOE_LOG_LEVEL": "WARNING",
            "FLOE_WORK_DIR": str(folder / "work"),
            "FLOE_BLOBS_URL": (folder / "blobs").as_uri(),
            **environment,
        }

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / f"{self._service}.log").open("wb") as log:
            self._process = psutil.Popen(
                [str(FLOE), "serve", self._service],
                env=self._environment,
                cwd=self._folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._await_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        except psutil.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def cpu(self) -> float:
        """The seconds of user and system time that it has used so far."""
        times = self._process.cpu_times()
        return times.user + times.system

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def peak_mb(self) -> float:
        """The largest resident memory that it has had."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def _await_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        missing: object = "no answer"
        while time.monotonic() < deadline and self._process.is_running():
            with contextlib.suppress(OSError):
                status, answer = ask(f"{self.url}/readyz")
                if status == 200:
                    return
                missing = answer
            time.sleep(0.1)
        log = (self._folder / f"{self._service}.log").read_text()[-3000:]
        raise RuntimeError(f"{self._service} did not become ready ({missing}):\n{log}")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
