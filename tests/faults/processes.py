"""A whole stack, each service a process of its own, made to be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import psutil

from floe_chassis.nats_server import NatsServer

FLOE: Final = str(Path(sys.executable).with_name("floe"))
SERVICES: Final = ("compiler", "executor", "catalog", "semantic", "lineage")
_QUICK: Final = {
    "FLOE_ACK_WAIT": "2",
    "FLOE_LEASE_SECONDS": "3",
    "FLOE_RETRY_SECONDS": "0.2",
    "FLOE_EXECUTOR_TICK_SECONDS": "0.5",
    "FLOE_HTTP_PORT": "0",
}
_DEATH_SECONDS: Final = 60.0
"""Longer than a process that is only starting takes to see that it is alone, on a busy machine."""


class Stack:
    """A bus with its topology, and services as processes. A service is named `<service>` or `<service>-<number>`.

    Attributes:
        root: folder of everything; `bus`, `blobs`, `lake` and so on below it.
        server: the nats-server.
        environment: the variables that all services share.
    """

    def __init__(self, root: Path, environment: Mapping[str, str], server: NatsServer) -> None:
        self.root = root
        self.server = server
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOE_")}
        self.environment |= {**_QUICK, **environment}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._logged: dict[str, int] = {}

    def floe(self, *arguments: str) -> str:
        """Run the command line against this stack; what it prints."""
        done = subprocess.run([FLOE, *arguments], env=self.environment, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def start(self, *names: str) -> None:
        """Start services that do not run; each replica has a work folder of its own, kept over its restarts."""
        for name in names:
            if self.running(name):
                continue
            file = self.root / f"{name}.log"
            self._logged[name] = file.stat().st_size if file.exists() else 0
            own = {"FLOE_WORK_DIR": str(self.root / "work" / name)}
            with file.open("ab") as log:
                self._processes[name] = subprocess.Popen(
                    [FLOE, "serve", name.partition("-")[0]],
                    env=self.environment | own,
                    cwd=self.root,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

    def running(self, name: str) -> bool:
        """Whether the process of the service lives."""
        process = self._processes.get(name)
        return process is not None and process.poll() is None

    def log(self, name: str) -> list[dict[str, Any]]:
        """What the running process of a service has logged."""
        *lines, _unfinished = (self.root / f"{name}.log").read_bytes()[self._logged[name] :].split(b"\n")
        return [json.loads(line) for line in lines if line.startswith(b"{")]

    def logged(self, name: str, event: str) -> int:
        """How often the running process of a service has logged the event."""
        return sum(line.get("event") == event for line in self.log(name))

    def leases_lost(self) -> int:
        """How often the executors have lost a lease; nothing else costs a run an attempt."""
        executors = (name for name in self._logged if name.startswith("executor"))
        return sum(self.logged(name, "lease.lost") for name in executors)

    def kill(self, *names: str) -> list[psutil.Process]:
        """End services by SIGKILL; the processes that they had started, which have to go too."""
        for name in names:  # at once: looking for their processes takes longer than what they are in the middle of
            self._processes[name].send_signal(signal.SIGSTOP)
        left = []
        for name in names:
            process = self._processes.pop(name)
            left += psutil.Process(process.pid).children(recursive=True)
            process.kill()
            process.wait()
        return left

    def dbt_child(self, name: str) -> psutil.Process:
        """The forked process in which a service runs dbt at the moment."""
        forked = [process for server in self._fork_servers(name) for process in server.children()]
        forked = [process for process in forked if _is_fork_server(process)]  # Python starts helpers of its own there
        assert len(forked) == 1, f"{len(forked)} dbt processes"
        return forked[0]

    def fork_server(self, name: str) -> psutil.Process:
        """The process in which a service keeps dbt warm."""
        (server,) = self._fork_servers(name)
        return server

    def _fork_servers(self, name: str) -> list[psutil.Process]:
        return [child for child in psutil.Process(self._processes[name].pid).children() if _is_fork_server(child)]

    def stop(self) -> None:
        """End everything."""
        for process in self._processes.values():
            process.kill()
            process.wait()
        self.server.stop()


def assert_gone(processes: Iterable[psutil.Process]) -> None:
    """None of the processes outlives whoever started it."""
    deadline = time.monotonic() + _DEATH_SECONDS
    alive = list(processes)
    while alive and time.monotonic() < deadline:
        alive = [process for process in alive if _alive(process)]
        time.sleep(0.02)
    assert not alive, [process.cmdline() for process in alive if _alive(process)]


def _alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        # What nobody has waited for is dead all the same.
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _is_fork_server(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return "floe_dbt.fork_server" in process.cmdline()
    return False
