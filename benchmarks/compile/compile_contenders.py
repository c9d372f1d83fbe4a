"""The contenders: floe's compiler as a running service, `floe validate`, and `dbt parse`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
from measurement import Measurement, ProcessTree, measure_command

BIN = Path(sys.executable).parent
PROGRAM = Path(__file__).with_name("compiler_process.py")


def plain_environment() -> dict[str, str]:
    """What both sides get of the environment."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DO_NOT_TRACK": "1"}


def validate(product: Path) -> Measurement:
    """`floe validate`: both documents, by the command."""
    return measure_command([str(BIN / "floe"), "validate", str(product)], cwd=product, environment=plain_environment())[
        0
    ]


def dbt_parse(product: Path) -> Measurement:
    """`dbt parse`, by the command; in full the first time in a folder, partially after that."""
    command = [str(BIN / "dbt"), "--quiet", "parse", "--profiles-dir", str(product / "dbt"), "--profile", "floe"]
    return measure_command(command, cwd=product / "dbt", environment=plain_environment())[0]


@dataclass(frozen=True, slots=True)
class Compiled:
    """What one compilation took, and what came of it."""

    measured: Measurement
    pack_seconds: float
    digest: str


class CompilerProcess:
    """A compiler service in a process of its own, with the nats-server that it needs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._submissions = 0
        self.started = time.monotonic()

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True)
        self.started = time.monotonic()
        self._process = psutil.Popen(
            [sys.executable, str(PROGRAM), str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(self._folder / "log").open("w"),
            text=True,
            env=plain_environment(),
        )
        self._expect("ready")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.stdin.close()
        self._process.wait(30)

    def compile(self, product: Path, name: str, *, dry_run: bool = False, from_start: bool = False) -> Compiled:
        """Submit a product and wait for what the compiler announces; CPU is that of service, bus and dbt.

        Args:
            product: its folder.
            name: as its floe.yaml says.
            dry_run: only plan it.
            from_start: count from the start of the process, imports and the warming of dbt included.
        """
        self._submissions += 1
        asked = {"folder": str(product), "product": name, "submission": f"s{self._submissions}", "dry_run": dry_run}
        before = _look(self._process.pid).cpu
        with _watched(self._process.pid) as tree:
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._expect("{"))
        wall = time.monotonic() - self.started if from_start else answer["compile"]
        cpu = tree.cpu - (0.0 if from_start else before)
        return Compiled(Measurement(wall, cpu, tree.peak_rss / 2**20), answer["pack"], answer["digest"])

    def _expect(self, start: str) -> str:
        for line in self._process.stdout:
            if line.startswith(start):
                return str(line)
        raise RuntimeError(f"the compiler ended:\n{(self._folder / 'log').read_text()[-4000:]}")


def _look(pid: int) -> ProcessTree:
    tree = ProcessTree(pid)
    tree.look()
    return tree


@contextmanager
def _watched(pid: int) -> Iterator[ProcessTree]:
    """Looks at a process and its children until the end."""
    tree, done = ProcessTree(pid), threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            tree.look()

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield tree
    finally:
        done.set()
        watching.join()
        tree.look()
