"""Points at which a test holds a service: armed ones hold once, others do nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from floe_chassis.fault_points import FOLDER, reach, reach_blocking
from floe_chassis.testing import eventually

Reach = Callable[[str], Awaitable[None]]


@pytest.fixture(params=["coroutine", "thread"])
def reaching(request: pytest.FixtureRequest) -> Reach:
    return reach if request.param == "coroutine" else partial(asyncio.to_thread, reach_blocking)


async def test_an_armed_point_holds_once(reaching: Reach, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    (tmp_path / "here").touch()
    await reaching("elsewhere")
    held = asyncio.create_task(reaching("here"))
    await eventually((tmp_path / "here.reached").exists)
    await reaching("here")
    assert not held.done()
    (tmp_path / "here.go").touch()
    await held


async def test_without_a_folder_nothing_holds(reaching: Reach, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").touch()
    await reaching("here")
    assert (tmp_path / "here").exists()
