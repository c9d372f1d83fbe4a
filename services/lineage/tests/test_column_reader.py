"""The process that reads SQL for the lineage service."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import suppress

import psutil
import pytest
import structlog

from floe_chassis.testing import eventually
from floe_lineage.adapters import column_reader
from floe_lineage.adapters.column_reader import ColumnReader
from floe_lineage.core.columns.model import Statement, Table

PEOPLE = Table("warehouse", "raw.people", ("id", "email"), complete=True)


def reading(sql: str) -> Statement:
    return Statement(sql, "duckdb", (PEOPLE,), Table("warehouse", "mart.people"))


# The parser takes twice as long for each level.
HANGS = reading("select " + "struct(" * 40 + "id as a" + ")" * 40 + " as b from people")


def children() -> list[psutil.Process]:
    found = []
    for one in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            if "floe_lineage.adapters.column_child" in one.cmdline() and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
    return found


@pytest.fixture
async def reader() -> AsyncIterator[ColumnReader]:
    reader = ColumnReader()
    yield reader
    await reader.close()
    assert children() == []


async def test_one_process_reads_all_statements(reader: ColumnReader) -> None:
    lineages = await asyncio.gather(*(reader.read(reading(f"select id as c{n} from people")) for n in range(20)))

    assert [list(lineage.fields) for lineage in lineages] == [[f"c{n}"] for n in range(20)]
    assert len(children()) == 1


async def test_what_was_read_is_kept(reader: ColumnReader) -> None:
    first = await reader.read(reading("select id from people"))
    await reader.close()

    assert await reader.read(reading("select id from people")) is first
    assert children() == []


async def test_a_process_that_died_is_replaced(reader: ColumnReader) -> None:
    await reader.read(reading("select id from people"))
    (child,) = children()
    os.kill(child.pid, signal.SIGKILL)

    lineage = await reader.read(reading("select email from people"))

    assert list(lineage.fields) == ["email"]


async def test_a_statement_that_takes_too_much_is_given_up() -> None:
    reader = ColumnReader(cpu_seconds=1)

    with structlog.testing.capture_logs() as logs:
        lineages = [await reader.read(HANGS) for _ in range(2)]

    assert {lineage.unparsed for lineage in lineages} == {"reading the SQL took longer than 1 seconds of CPU"}
    assert not any(lineage.passing for lineage in lineages)
    assert [entry["event"] for entry in logs] == ["columns.overdue"]
    assert children() == []


async def test_a_process_that_does_nothing_is_given_up(reader: ColumnReader, monkeypatch: pytest.MonkeyPatch) -> None:
    await reader.read(reading("select id from people"))
    (child,) = children()
    child.suspend()

    with monkeypatch.context() as patched:  # a process that is being started may need longer
        patched.setattr(reader, "_overdue", 0.5)
        lineage = await reader.read(reading("select email from people"))

    assert lineage.unparsed == "reading the SQL took longer than 0.5 seconds"
    assert lineage.passing
    assert list((await reader.read(reading("select email from people"))).fields) == ["email"]


@pytest.mark.parametrize(
    "refusal",
    [BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), RuntimeError("can't start new thread")],
    ids=["process", "thread"],
)
async def test_a_process_that_the_system_refuses_is_asked_for_again(
    reader: ColumnReader, monkeypatch: pytest.MonkeyPatch, refusal: Exception
) -> None:
    async def refused(*_: object, **__: object) -> None:
        raise refusal

    with monkeypatch.context() as patched, structlog.testing.capture_logs() as logs:
        patched.setattr(asyncio, "create_subprocess_exec", refused)
        lineage = await reader.read(reading("select id from people"))

    assert lineage.passing
    assert lineage.unparsed == "the process that reads the SQL could not start, or was ended"
    assert [entry["event"] for entry in logs] == ["columns.died"]
    assert list((await reader.read(reading("select id from people"))).fields) == ["id"]


@pytest.mark.parametrize(("end", "passing"), [(signal.SIGKILL, True), (signal.SIGSEGV, False)])
async def test_a_process_that_is_ended_by_others_is_told_from_one_that_ends_of_the_sql(
    reader: ColumnReader, monkeypatch: pytest.MonkeyPatch, end: signal.Signals, passing: bool
) -> None:
    program = f"import os; os.kill(os.getpid(), {int(end)})"
    start = asyncio.create_subprocess_exec

    async def ending(*_: str, **pipes: int) -> Process:
        return await start(sys.executable, "-c", program, **pipes)

    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "create_subprocess_exec", ending)
        lineage = await reader.read(reading("select id from people"))

    assert lineage.unparsed is not None
    assert lineage.passing is passing
    assert ((await reader.read(reading("select id from people"))).unparsed is None) is passing


async def test_a_cancelled_reading_leaves_no_answer_behind(reader: ColumnReader) -> None:
    await reader.read(reading("select id from people"))
    (child,) = children()
    begun = child.cpu_times().user
    overdue = asyncio.create_task(reader.read(HANGS))
    await eventually(lambda: child.cpu_times().user > begun + 0.3)
    overdue.cancel()
    await asyncio.gather(overdue, return_exceptions=True)

    assert list((await reader.read(reading("select email from people"))).fields) == ["email"]


async def test_an_idle_process_ends() -> None:
    reader = ColumnReader(idle_seconds=0)
    await reader.read(reading("select id from people"))

    await eventually(lambda: not children())
    assert list((await reader.read(reading("select email from people"))).fields) == ["email"]
    await reader.close()


async def test_text_that_is_no_text_is_read_all_the_same(reader: ColumnReader) -> None:
    lineage = await reader.read(reading("select id, '\ud800' as odd from people"))

    assert list(lineage.fields) == ["id", "odd"]


async def test_without_the_extra_there_is_a_reason_and_one_word_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_reader, "parser_version", lambda: None)
    reader = ColumnReader()

    with structlog.testing.capture_logs() as logs:
        lineages = [await reader.read(reading("select id from people")) for _ in range(3)]

    assert {lineage.unparsed for lineage in lineages} == {"the extra column-lineage is not installed"}
    assert [entry["event"] for entry in logs] == ["columns.not_installed"]
    assert not reader.installed


def test_the_service_needs_no_sql_parser() -> None:
    program = "import sys; sys.modules['sqlglot'] = None; import floe_lineage.app, floe_lineage.adapters.column_reader"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=120).returncode == 0
