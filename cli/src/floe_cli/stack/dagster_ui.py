"""Dagster's UI over the instance of an embedded stack, in a process of its own."""

from __future__ import annotations

import asyncio
import fcntl
import importlib.util
import json
import os
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
from floe_cli.stack.side_process import HOST, free_port, last_line, side_process
from floe_contracts.errors import WrongUsage

_START_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.3
_CHANGED: Final = "definitions.changed"
"""What the executor writes in the instance's folder when it defines a product anew."""
_WORKSPACE: Final = """\
load_from:
  - python_module: {module_name: floe_executor.adapters.dagster_graph.code_location, location_name: floe}
"""
_RELOAD: Final = {"query": 'mutation { reloadRepositoryLocation(repositoryLocationName: "floe") { __typename } }'}


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
    port = free_port()
    address = f"http://{HOST}:{port}"
    workspace = home / "workspace.yaml"
    workspace.write_text(_WORKSPACE)
    command = [sys.executable, "-m", "dagster_webserver", "-h", HOST, "-p", str(port), "-w", str(workspace)]
    environment = dict(os.environ) | {"DAGSTER_HOME": str(home)}
    async with side_process(command, folder=home, environment=environment, log=log) as process:
        await asyncio.to_thread(_await_ready, process, address, log, deadline)
        reloading = asyncio.create_task(_reload_on_change(home, address))
        try:
            yield address
        finally:
            reloading.cancel()
            await asyncio.gather(reloading, return_exceptions=True)


def _await_instance(home: Path, deadline: float) -> None:
    """Wait until the executor has made the instance: it holds the lock meanwhile."""
    while not (home / "dagster.yaml").exists():
        if time.monotonic() > deadline:
            raise UiFailed(f"the executor made no Dagster instance in {home}", hint="its log tells why")
        time.sleep(_LOOK_SECONDS)
    with (home / "floe.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


def _await_ready(process: subprocess.Popen[bytes], address: str, log: Path, deadline: float) -> None:
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError):
            _ask(f"{address}/server_info")
            return
        time.sleep(_LOOK_SECONDS)
    raise UiFailed(f"Dagster's UI did not start: {last_line(log)}", hint=f"see {log}")


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
