"""The service's side of the processes that work on tables."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, Self

import structlog

from floe_catalog.core.maintenance_actions import Failure
from floe_catalog.errors import ActionFailed, ActionProcessDied
from floe_catalog.maintenance.action_job import (
    ActionJob,
    Confirm,
    Confirmed,
    Done,
    LookBack,
    Message,
    OpenTable,
    Progress,
    Stop,
    TableJob,
    encoded,
    read_from,
)
from floe_contracts.errors import FloeError
from floe_lakehouse.maintenance.reports import MaintenanceReport
from floe_lakehouse.maintenance.reports import Progress as OnProgress

_MODULE: Final = "floe_catalog.maintenance.action_child"
_STOP_SECONDS: Final = 3.0
_SILENT_SECONDS: Final = 1800.0
"""A process that says nothing for so long hangs; it is ended, and says where it was."""
_IDLE_SECONDS: Final = 10.0
_TABLES_PER_PROCESS: Final = 50
"""A process that has done so many is replaced: what libraries keep of each adds up."""
_READ_BYTES: Final = 4096
_KEPT_BYTES: Final = 8192

_log = structlog.get_logger("floe.catalog.maintenance")


class ActionProcess:
    """A process that works on one table at a time."""

    def __init__(self, process: Process) -> None:
        self.tables = 0
        self._process = process
        self._said = b""
        self._draining = asyncio.create_task(self._drain(), name="stderr of maintenance")

    @classmethod
    async def start(cls) -> Self:
        """Start one."""
        return cls(
            await asyncio.create_subprocess_exec(sys.executable, "-m", _MODULE, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        )

    @property
    def usable(self) -> bool:
        """Whether it can take another table."""
        return self._process.returncode is None and self.tables < _TABLES_PER_PROCESS

    async def open(self, table: TableJob) -> OpenTable | Failure:
        """Open a table, for the actions that follow."""
        self.tables += 1
        try:
            answer = await self._ask(table)
        except (asyncio.IncompleteReadError, OSError):  # which a TimeoutError is
            return await self._died()
        return answer if isinstance(answer, OpenTable | Failure) else _senseless(answer)

    async def act(
        self, job: ActionJob, confirm: Callable[[], Awaitable[None]], progress: OnProgress
    ) -> MaintenanceReport | Failure:
        """Do one action on the open table.

        Cancelled, it lets the process come to the end of its step for a moment, and ends it.

        Args:
            job: the action.
            confirm: awaited before each commit; what it raises keeps the commit from being made, and is raised here.
            progress: told how far the action is.

        Raises:
            FloeError: what `confirm` raised.
        """
        task = asyncio.current_task()
        if task is not None and task.cancelling():  # Python 3.11 can lose one that meets an answer of the bus
            raise asyncio.CancelledError
        try:
            return await self._act(job, confirm, progress)
        except (asyncio.IncompleteReadError, OSError):
            return await self._died()
        except asyncio.CancelledError:
            with suppress(asyncio.IncompleteReadError, OSError, TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await self._send(Stop(reason="the service stops"))
                    while not isinstance(await self._next(), Done | Failure):
                        pass
            await self.close()
            raise

    async def look_back(self, question: LookBack) -> MaintenanceReport | Failure:
        """What has expired of the open table."""
        try:
            answer = await self._ask(question)
        except (asyncio.IncompleteReadError, OSError):
            return await self._died()
        match answer:
            case Done():
                return answer.report
            case Failure():
                return answer
            case _:
                return _senseless(answer)

    def kill(self) -> None:
        """End the process at once, whatever it does."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def close(self) -> None:
        """End the process, and wait until it is gone."""
        self.kill()
        await self._process.wait()
        await self._draining

    async def _act(
        self, job: ActionJob, confirm: Callable[[], Awaitable[None]], progress: OnProgress
    ) -> MaintenanceReport | Failure:
        refusal: FloeError | None = None
        answer = await self._ask(job)
        while True:
            match answer:
                case Progress():
                    progress(answer.done, answer.total)
                case Confirm():
                    refusal = await _refusal(confirm)
                    await self._send(Stop(reason=refusal.message) if refusal else Confirmed())
                case Done():
                    return answer.report
                case Failure():
                    if refusal is not None:
                        raise refusal
                    if answer.code == ActionFailed.code:
                        _log.error("maintenance.unexpected", action=job.action, last=self._last())
                    return answer
                case _:
                    return _senseless(answer)
            answer = await self._next()

    async def _ask(self, message: Message) -> Message:
        await self._send(message)
        return await self._next()

    async def _send(self, message: Message) -> None:
        assert self._process.stdin is not None  # noqa: S101 -- it is a pipe
        self._process.stdin.write(encoded(message))
        await self._process.stdin.drain()

    async def _next(self) -> Message:
        assert self._process.stdout is not None  # noqa: S101 -- it is a pipe
        async with asyncio.timeout(_SILENT_SECONDS):
            return await read_from(self._process.stdout)

    async def _drain(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 -- it is a pipe
        while said := await self._process.stderr.read(_READ_BYTES):
            self._said = (self._said + said)[-_KEPT_BYTES:]

    def _last(self) -> str:
        """What the process said on stderr last, as it does of an error that floe does not expect."""
        return self._said.decode(errors="replace")

    async def _died(self) -> Failure:
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGABRT)  # its traceback goes to stderr
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
        await self.close()
        _log.error("maintenance.died", status=self._process.returncode, last=self._last())
        message = f"the process ended in the middle, with status {self._process.returncode}"
        return Failure(
            code=ActionProcessDied.code, message=message, hint="did the machine run out of memory?", transient=True
        )


class ActionProcesses:
    """The processes of a service: started when they are needed, ended when nothing has needed them for a while."""

    def __init__(self) -> None:
        self._idle: list[ActionProcess] = []
        self._busy: set[ActionProcess] = set()
        self._ending: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[ActionProcess]:
        """A process for one table."""
        process = await self._idle_one() or await ActionProcess.start()
        self._busy.add(process)
        try:
            yield process
        except BaseException:  # it may be at work still: its answer would be taken for one about the next table
            await process.close()
            raise
        finally:
            self._busy.discard(process)
            if process.usable:
                self._idle.append(process)
                self._end_later()
            else:
                await process.close()

    async def close(self) -> None:
        """End them all."""
        if self._ending is not None:
            self._ending.cancel()
        left = [*self._idle, *self._busy]
        self._idle.clear()
        for process in left:  # first of all: a service that stops late may have no time to wait for them
            process.kill()
        await asyncio.gather(*(process.close() for process in left), *self._closing)

    async def _idle_one(self) -> ActionProcess | None:
        while self._idle:
            if (process := self._idle.pop()).usable:
                return process
            await process.close()  # it died meanwhile
        return None

    def _end_later(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
        self._ending = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._end_idle)

    def _end_idle(self) -> None:
        while self._idle:
            task = asyncio.create_task(self._idle.pop().close(), name="end of maintenance")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


async def _refusal(confirm: Callable[[], Awaitable[None]]) -> FloeError | None:
    try:
        await confirm()
    except FloeError as error:
        return error
    return None


def _senseless(answer: Message) -> Failure:
    return Failure(code=ActionFailed.code, message=f"an answer that nobody asked for: {type(answer).__name__}")
