"""Dagster's UI over the instance of an embedded stack, in a process of its own."""

from __future__ import annotations

import asyncio
import fcntl
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from floe_cli.errors import UiFailed
from floe_cli.stack.folders import StackFolder
from floe_contracts.errors import WrongUsage

_HOST: Final = "127.0.0.1"
_START_SECONDS: Final = 120.0
_STOP_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.3
_CHANGED: Final = "definitions.changed"
"""What the executor writes in the instance's folder when it defines a product anew."""
_WORKSPACE: Final = """\
load_from:
  - python_module: {module_name: floe_executor.adapters.dagster_graph.code_location, location_name: floe}
"""
_RELOAD: Final = {"query": 'mutation { reloadRepositoryLocation(repositoryLocationName: "floe") { __typename } }'}
# The pipe closes when the stack ends, however it does: then all processes of the group end, the code server too.
_LAUNCHER: Final = """
import os, signal, subprocess, sys, threading

def end_with_the_owner():
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)

threading.Thread(target=end_with_the_owner, daemon=True).start()
sys.exit(subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL))
"""


def check_installed() -> None:
    """See that Dagster's UI is installed.

    Raises:
        WrongUsage: it is not.
    """
    if importlib.util.find_spec("dagster_webserver") is None:
        raise WrongUsage("Dagster's UI is not installed", hint="install floe-cli[ui]")


@asynccontextmanager
async def dagster_ui(folder: StackFolder) -> AsyncIterator[str]:
    """Run the UI as long as the context lasts; its address. It shows what the executor defines meanwhile.

    Raises:
        UiFailed: it did not come up.
    """
    home = folder.root / "dagster"
    deadline = time.monotonic() + _START_SECONDS
    await asyncio.to_thread(_await_instance, home, deadline)
    log = folder.root / "dagster-ui.log"
    address = f"http://{_HOST}:{_free_port()}"
    process = _launch(home, address, log)
    try:
        await asyncio.to_thread(_await_ready, process, address, log, deadline)
        reloading = asyncio.create_task(_reload_on_change(home, address))
        try:
            yield address
        finally:
            reloading.cancel()
            await asyncio.gather(reloading, return_exceptions=True)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await asyncio.to_thread(process.wait, _STOP_SECONDS)


def _await_instance(home: Path, deadline: float) -> None:
    """Wait until the executor has made the instance: it holds the lock meanwhile."""
    while not (home / "dagster.yaml").exists():
        if time.monotonic() > deadline:
            raise UiFailed(f"the executor made no Dagster instance in {home}", hint="its log tells why")
        time.sleep(_LOOK_SECONDS)
    with (home / "floe.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


def _launch(home: Path, address: str, log: Path) -> subprocess.Popen[bytes]:
    workspace = home / "workspace.yaml"
    workspace.write_text(_WORKSPACE)
    webserver = [sys.executable, "-m", "dagster_webserver", "-h", _HOST, "-p", address.rpartition(":")[2]]
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 -- our own launcher and Dagster's module
            [sys.executable, "-I", "-S", "-c", _LAUNCHER, *webserver, "-w", str(workspace)],
            cwd=home,
            env=dict(os.environ) | {"DAGSTER_HOME": str(home)},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _await_ready(process: subprocess.Popen[bytes], address: str, log: Path, deadline: float) -> None:
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError):
            _ask(f"{address}/server_info")
            return
        time.sleep(_LOOK_SECONDS)
    last = [line for line in log.read_text(errors="replace").splitlines() if line.strip()][-1:]
    raise UiFailed(f"Dagster's UI did not start: {''.join(last)}", hint=f"see {log}")


async def _reload_on_change(home: Path, address: str) -> None:
    """Load the code location again whenever the executor has defined a product anew."""
    seen = None
    while True:
        changed = _modified(home / _CHANGED)
        if changed != seen:
            with suppress(OSError):
                await asyncio.to_thread(_ask, f"{address}/graphql", _RELOAD)
                seen = changed
        await asyncio.sleep(1.0)


def _modified(file: Path) -> int | None:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return None


def _ask(address: str, document: Any = None) -> None:
    data = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})  # noqa: S310 -- our own server
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        answer.read()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port
