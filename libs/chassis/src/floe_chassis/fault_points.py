"""Named points at which a test can hold a service, to kill it, its children or its bus just there.

They do nothing unless `FLOE_FAULT_FOLDER` names a folder; no deployment sets it.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Final

FOLDER: Final = "FLOE_FAULT_FOLDER"
"""A file in it named after a point arms the point. Reached, it is renamed `<point>.reached`; `<point>.go` lets go."""
_LOOK_AGAIN_SECONDS: Final = 0.02


async def reach(name: str) -> None:
    """Hold here once, if the point is armed, until the test lets go."""
    folder = os.environ.get(FOLDER)
    if folder is None or not _disarm(Path(folder, name)):
        return
    go_on = Path(folder, f"{name}.go")
    while not _is_there(go_on):  # noqa: ASYNC110 -- another process makes it
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


def reach_blocking(name: str) -> None:
    """The same for code that runs in a thread, or in a process without an event loop."""
    folder = os.environ.get(FOLDER)
    if folder is None or not _disarm(Path(folder, name)):
        return
    go_on = Path(folder, f"{name}.go")
    while not _is_there(go_on):
        time.sleep(_LOOK_AGAIN_SECONDS)


def _disarm(point: Path) -> bool:
    try:
        point.rename(f"{point}.reached")
    except FileNotFoundError:
        return False
    return True


def _is_there(file: Path) -> bool:
    return file.exists()
