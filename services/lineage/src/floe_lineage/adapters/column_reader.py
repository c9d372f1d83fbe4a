"""Reads SQL in a process of its own.

A model takes milliseconds, but the loop would stand still meanwhile; and a parser that hangs, or takes all memory, can
be ended only there.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import OrderedDict
from contextlib import suppress
from typing import Final

import structlog

from floe_lineage.adapters.column_frames import LENGTH_BYTES, framed, lineage_of
from floe_lineage.core.columns.cache import cache_key, parser_version
from floe_lineage.core.columns.model import ColumnLineage, Statement

_MODULE: Final = "floe_lineage.adapters.column_child"
_CPU_SECONDS: Final = 10.0
"""A model takes a few milliseconds, so does a machine that is busy with other things: this is of CPU."""
_OVERDUE_SECONDS: Final = 120.0
_IDLE_SECONDS: Final = 60.0
_MOST_KEPT: Final = 1000
_TRIES: Final = 2
_OF_THE_SQL: Final = frozenset({-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGABRT})
"""Ends that a process comes to by what it reads; others come from outside, as when a system has no memory left."""

_log = structlog.get_logger("floe.lineage")


class ColumnReader:
    """Tells what columns are made of; results are kept, the latest thousand of them, unless they are passing."""

    def __init__(
        self,
        *,
        cpu_seconds: float = _CPU_SECONDS,
        overdue_seconds: float = _OVERDUE_SECONDS,
        idle_seconds: float = _IDLE_SECONDS,
    ) -> None:
        """Begin without a process: the first statement starts it.

        Args:
            cpu_seconds: how much of a processor one statement may take.
            overdue_seconds: how long it may take at all.
            idle_seconds: how long the process stays when nobody asks for anything.
        """
        self._cpu = cpu_seconds
        self._overdue = overdue_seconds
        self._idle = idle_seconds
        self._kept: OrderedDict[str, ColumnLineage] = OrderedDict()
        self._process: Process | None = None
        self._turn = asyncio.Lock()
        self._ending: asyncio.TimerHandle | None = None
        self._told = False

    @property
    def installed(self) -> bool:
        """Whether the extra `column-lineage` is installed."""
        return parser_version() is not None

    async def read(self, statement: Statement) -> ColumnLineage:
        """What the columns of the statement's output are made of; what cannot be read says why."""
        if not self.installed:
            return self._without_parser()
        key = cache_key(statement)
        async with self._turn:
            if (kept := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return kept
            found = await self._read(statement)
            if not found.passing:
                self._kept[key] = found
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return found

    async def close(self) -> None:
        """End the process."""
        async with self._turn:
            await self._end()

    async def _read(self, statement: Statement) -> ColumnLineage:
        self._stay()
        status: int | None = None
        try:
            for _ in range(_TRIES):
                try:
                    async with asyncio.timeout(self._overdue):
                        return await self._ask(statement)
                except TimeoutError:
                    await self._end()
                    return _given_up(statement, f"{self._overdue:g} seconds", passing=True)
                # RuntimeError: asyncio waits for the process in a thread, and the system may refuse that one too.
                except (asyncio.IncompleteReadError, OSError, RuntimeError):
                    status = await self._end()
                    if status == -signal.SIGPROF:
                        return _given_up(statement, f"{self._cpu:g} seconds of CPU", passing=False)
        except asyncio.CancelledError:  # an answer that comes later would be taken for one to the next statement
            await self._end()
            raise
        finally:
            self._end_later()
        _log.warning("columns.died", output=statement.output.name, status=status)
        if status in _OF_THE_SQL:
            return ColumnLineage(unparsed="the process that reads the SQL died of it")
        return ColumnLineage(unparsed="the process that reads the SQL could not start, or was ended", passing=True)

    async def _ask(self, statement: Statement) -> ColumnLineage:
        if self._process is None:
            command = (sys.executable, "-P", "-m", _MODULE, str(self._cpu))
            self._process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
        to, back = self._process.stdin, self._process.stdout
        assert to is not None  # noqa: S101 -- they are pipes
        assert back is not None  # noqa: S101
        to.write(framed(statement))
        await to.drain()
        length = int.from_bytes(await back.readexactly(LENGTH_BYTES), "big")
        return lineage_of(await back.readexactly(length))

    async def _end(self) -> int | None:
        """End the process; its status, if there was one."""
        process, self._process = self._process, None
        self._stay()
        if process is None:
            return None
        if process.returncode is None:
            # Its own `kill` would take the status of one that has just ended from whoever waits for it.
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        return await process.wait()

    def _end_later(self) -> None:
        if self._process is not None:
            self._ending = asyncio.get_running_loop().call_later(self._idle, self._let_go)

    def _let_go(self) -> None:
        """Nobody has asked for a while: at the end of its input the process ends by itself."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()

    def _stay(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None

    def _without_parser(self) -> ColumnLineage:
        if not self._told:
            self._told = True
            _log.warning("columns.not_installed", hint="install floe-lineage[column-lineage]")
        return ColumnLineage(unparsed="the extra column-lineage is not installed")


def _given_up(statement: Statement, after: str, *, passing: bool) -> ColumnLineage:
    _log.warning("columns.overdue", output=statement.output.name, after=after)
    return ColumnLineage(unparsed=f"reading the SQL took longer than {after}", passing=passing)
