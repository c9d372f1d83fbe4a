"""A file that is rotated: every event once, in order, whatever dies at whatever point."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from floe_chassis.fault_points import FOLDER
from floe_chassis.testing import eventually
from floe_contracts.plugins.lineage_backends import LineageEvent, Position
from floe_lineage.adapters.file_backend import FileBackend

BODY = b'{"n": %d}'
LINE = len(b'{"n": 1}\n')
POINTS = ("lineage-file-written", "lineage-file-committed", "lineage-file-put-aside", "lineage-file-begun")
_WRITE = """
import asyncio, sys
from pathlib import Path
from floe_contracts.plugins.lineage_backends import LineageEvent, Position
from floe_lineage.adapters.file_backend import FileBackend

async def main():
    backend = FileBackend(Path(sys.argv[1]), max_bytes=30, keep=100)
    done = await backend.open()
    for n in range(1, 9):
        event = LineageEvent(b'{"n": %d}' % n, str(n), Position(n, n * 10))
        if done is None or not done.covers(event.position):
            assert (await backend.send([event])).status == 200
    await backend.close()

asyncio.run(main())
"""


def events(first: int, last: int) -> list[LineageEvent]:
    return [LineageEvent(BODY % n, str(n), Position(n, n * 10)) for n in range(first, last + 1)]


def put_aside(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.0*"))


def numbers(path: Path) -> list[list[int]]:
    """What the files hold, the oldest first."""
    files = [*put_aside(path), path]
    return [[json.loads(line)["n"] for line in file.read_text().splitlines()] for file in files if file.exists()]


async def written(backend: FileBackend, *batches: list[LineageEvent]) -> Position | None:
    try:
        position = await backend.open()
        for batch in batches:
            assert (await backend.send(batch)).status == 200
    finally:
        await backend.close()
    return position


async def test_a_file_is_put_aside_before_it_gets_too_large(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    await written(FileBackend(path, max_bytes=3 * LINE, keep=9), *[events(n, n) for n in range(1, 9)])
    assert numbers(path) == [[1, 2, 3], [4, 5, 6], [7, 8]]
    assert await written(FileBackend(path, max_bytes=3 * LINE, keep=9), events(9, 9), events(10, 10)) == Position(8, 80)
    assert numbers(path) == [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10]]


async def test_only_the_newest_files_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    await written(FileBackend(path, max_bytes=LINE, keep=2), *[events(n, n) for n in range(1, 8)])
    assert numbers(path) == [[5], [6], [7]]
    assert [file.name for file in put_aside(path)] == ["events.jsonl.000005", "events.jsonl.000006"]
    await written(FileBackend(path, max_bytes=LINE, keep=0))
    assert numbers(path) == [[7]]


async def test_a_batch_that_is_larger_than_a_file_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    await written(FileBackend(path, max_bytes=LINE, keep=9), events(1, 5), events(6, 6))
    assert numbers(path) == [[1, 2, 3, 4, 5], [6]]


async def test_files_of_others_beside_it_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for name in ("events.jsonl.000001.gz", "events.jsonl.bak", "other.jsonl.000001"):
        (tmp_path / name).write_text("mine")
    await written(FileBackend(path, max_bytes=LINE, keep=0), events(1, 1), events(2, 2), events(3, 3))
    assert (tmp_path / "events.jsonl.bak").read_text() == "mine"
    assert (tmp_path / "events.jsonl.000001.gz").read_text() == "mine"
    assert (tmp_path / "other.jsonl.000001").read_text() == "mine"


async def test_a_file_that_was_emptied_by_others_repeats_nothing_after_a_crash(tmp_path: Path) -> None:
    """The position says more bytes than there are; a crash between write and commit must not hide in that."""
    path = tmp_path / "events.jsonl"
    await written(FileBackend(path), events(1, 5))
    path.write_bytes(b"")
    await written(FileBackend(path))
    with path.open("ab") as file:  # as a crash leaves it between the write and the commit
        file.write(b'{"n": 6}\n')
    await written(FileBackend(path), events(6, 6))
    assert numbers(path) == [[6]]


async def test_a_position_that_is_taken_back_lets_events_come_again(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    backend = FileBackend(path)
    await backend.open()
    await backend.send(events(1, 4))
    await backend.rewind(Position(2, 30))
    await backend.close()
    assert await written(FileBackend(path), events(3, 4)) == Position(2, 30)
    assert numbers(path) == [[1, 2, 3, 4, 3, 4]]


@pytest.mark.fault
@pytest.mark.parametrize("point", POINTS)
async def test_killed_at_any_point_every_event_stands_there_once(tmp_path: Path, point: str) -> None:
    path, faults = tmp_path / "lineage" / "events.jsonl", tmp_path / "faults"
    faults.mkdir()
    command = [sys.executable, "-c", _WRITE, str(path)]
    for _ in range(3):
        (faults / point).touch()
        writer = await asyncio.create_subprocess_exec(*command, env={FOLDER: str(faults)})
        reached = faults / f"{point}.reached"
        await eventually(lambda reached=reached, writer=writer: reached.exists() or writer.returncode is not None)
        if writer.returncode is None:
            writer.kill()
        await writer.wait()
        reached.unlink(missing_ok=True)
    (faults / point).unlink(missing_ok=True)
    last = await asyncio.create_subprocess_exec(*command)
    assert await last.wait() == 0
    assert [n for file in numbers(path) for n in file] == list(range(1, 9))
    assert max(map(len, numbers(path))) <= 3
