from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from floe_contracts.plugins.lineage_backends import LineageEvent, Position
from floe_lineage.adapters.file_backend import FileBackend
from floe_lineage.errors import BackendNotReady, PositionUnreadable


def events(first: int, last: int) -> list[LineageEvent]:
    return [LineageEvent(b'{"n": %d}' % n, str(n), Position(n, n * 10)) for n in range(first, last + 1)]


def numbers(path: Path) -> list[int]:
    return [json.loads(line)["n"] for line in path.read_text().splitlines()]


async def written(path: Path, *batches: list[LineageEvent]) -> Position | None:
    backend = FileBackend(path)
    try:
        position = await backend.open()
        for batch in batches:
            assert (await backend.send(batch)).status == 200
    finally:
        await backend.close()
    return position


async def test_a_restart_knows_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "events.jsonl"
    assert await written(path, events(1, 3), events(4, 5)) is None
    assert await written(path, events(6, 6)) == Position(5, 50)
    assert numbers(path) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("tail", [b'{"n": 4}\n{"n": 5}\n', b'{"n": 4}\n{"n"', b"\0\0\0"])
async def test_what_was_not_committed_is_cut_off(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "events.jsonl"
    await written(path, events(1, 3))
    with path.open("ab") as file:  # as a crash leaves it between the write and the commit
        file.write(tail)
    assert await written(path, events(4, 5)) == Position(3, 30)
    assert numbers(path) == [1, 2, 3, 4, 5]


async def test_a_crash_before_the_first_commit_repeats_nothing(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    await written(path)
    path.write_bytes(b'{"n": 1}\n')
    assert await written(path, events(1, 2)) is None
    assert numbers(path) == [1, 2]


async def test_what_somebody_else_wrote_before_stays(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"n": 0}\n')
    await written(path, events(1, 2))
    assert numbers(path) == [0, 1, 2]


async def test_a_rotated_file_goes_on_where_the_stream_is(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    await written(path, events(1, 3))
    os.truncate(path, 0)
    assert await written(path, events(4, 4)) == Position(3, 30)
    assert numbers(path) == [4]


async def test_an_event_is_one_line_whatever_its_spacing(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    pretty = LineageEvent(b'{\r\n  "text": "a\\nb"\n}', "x", Position(1, 1))
    await written(path, [pretty])
    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"text": "a\nb"}]


async def test_a_second_process_does_not_get_the_file(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    first, second = FileBackend(path), FileBackend(path)
    await first.open()
    with pytest.raises(BackendNotReady, match="FLOE-LIN-001"):
        await second.open()
    await first.close()
    assert await second.open() is None
    await second.close()


async def test_a_folder_that_cannot_be_made_is_worth_another_try(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    backend = FileBackend(tmp_path / "file" / "events.jsonl")
    with pytest.raises(BackendNotReady, match="cannot be opened"):
        await backend.open()
    await backend.close()


@pytest.mark.parametrize("position", ["rubbish", '{"sequence": 3}', "[]"])
async def test_a_position_that_is_none_is_told_of(tmp_path: Path, position: str) -> None:
    path = tmp_path / "events.jsonl"
    await written(path, events(1, 1))
    (tmp_path / "events.jsonl.position").write_text(position)
    backend = FileBackend(path)
    with pytest.raises(PositionUnreadable, match="FLOE-LIN-002"):
        await backend.open()
    await backend.close()


async def test_a_full_disk_is_an_answer_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    backend = FileBackend(path)
    await backend.open()
    assert (await backend.send(events(1, 1))).status == 200
    beside = tmp_path / "events.jsonl.position.new"
    beside.mkdir()  # the commit fails after the events are written
    answer = await backend.send(events(2, 3))
    assert answer.status is None
    assert "events.jsonl" in answer.reason
    beside.rmdir()
    assert (await backend.send(events(2, 3))).status == 200
    await backend.close()
    assert numbers(path) == [1, 2, 3]
