"""The dbt processes of an executor's runs."""

from __future__ import annotations

import os
from contextlib import suppress

import psutil

from floe_dbt.warm_dbt import WarmDbt


def dbt_processes(dbt: WarmDbt) -> list[psutil.Process]:
    """Those that run: each leads a process group."""
    return [child for child in psutil.Process(dbt.pid).children() if runs(child) and _leads(child)]


def runs(process: psutil.Process) -> bool:
    """Whether it has not ended; one that has may still wait to be reaped."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _leads(child: psutil.Process) -> bool:
    with suppress(ProcessLookupError):
        return os.getpgid(child.pid) == child.pid
    return False
