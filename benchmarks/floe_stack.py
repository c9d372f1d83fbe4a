"""floe with its stack up: what a push costs when everything is running already."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from contenders import BIN, plain_environment
from measurement import Measurement, ProcessTree

START_SECONDS = 120
SETTLE_SECONDS = 5


class RunningStack:
    """`floe up` of a product's folder."""

    def __init__(self, product: Path) -> None:
        self._product = product
        self._process: psutil.Popen | None = None
        self._changes = 0

    def __enter__(self) -> Self:
        command = [str(BIN / "floe"), "up", str(self._product), "--http-port", "0"]
        self._process = psutil.Popen(command, stdout=subprocess.PIPE, text=True, env=plain_environment())
        deadline = time.monotonic() + START_SECONDS
        for line in self._process.stdout:
            if line.startswith("ready"):
                return self
            if time.monotonic() > deadline:
                break
        raise RuntimeError("floe up did not become ready")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)

    def run(self) -> Measurement:
        """`floe run` against the stack: from the published spec to the end of the run, landing and rendering included.

        CPU is that of the stack: services, bus, dbt.
        """
        tree = ProcessTree(self._process.pid)
        tree.look()
        before = tree.cpu
        command = [str(BIN / "floe"), "run", str(self._product), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=plain_environment())
        tree.look()
        result = json.loads(done.stdout)
        return Measurement(result["seconds"]["total"], tree.cpu - before, tree.peak_rss / 2**20)

    def run_after_a_change(self) -> Measurement:
        """Change one model, as a push would, and run."""
        self._changes += 1
        model = self._product / "dbt" / "models" / "marts" / "fct_orders.sql"
        model.write_text(f"{model.read_text().rstrip()}\n-- change {self._changes}\n")
        return self.run()

    def idle_memory_mb(self) -> float:
        """Resident memory of all processes of the stack after a while without work, in MB."""
        time.sleep(SETTLE_SECONDS)
        tree = ProcessTree(self._process.pid)
        tree.look()
        return tree.peak_rss / 2**20
