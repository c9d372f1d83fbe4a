"""The fork server: keeps dbt warm and forks one child for each invocation. `wire.py` is what it speaks.

One thread, one loop: a process that forks must not have threads, and no asker may keep the others waiting. The server
is the only one to signal and to reap its children, so no process id can have been given away in between. It lives as
long as its standard input stays open: whoever started it holds the other end, and when that end closes, for whatever
reason, the server kills every child and exits. Linux only (`/proc`, `prctl`).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import select
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from floe_dbt import wire
from floe_dbt.asker import Asker, RequestRefused
from floe_dbt.child_isolation import (
    adopt_descendants,
    children_of,
    conceal,
    end_with_parent,
    volunteer_for_memory_shortage,
)
from floe_dbt.garbage import collect_seldom
from floe_dbt.listening import is_from_below, listen

_MAX_CONNECTIONS: Final = 128
_FORWARDED: Final = frozenset({signal.SIGINT, signal.SIGTERM})


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the server takes on.

    Attributes:
        children: that may run at the same time.
        waiting: requests that may wait for a place.
        request_seconds: for a request to arrive.
        cancel_seconds: for a child to end after SIGINT or SIGTERM, before it is killed. dbt waits for queries that
            began just after it interrupted them, and for Python models, however long they take.
    """

    children: int
    waiting: int
    request_seconds: float
    cancel_seconds: float


class ForkServer:
    """The loop of the server and what it knows: the askers, the queue, the running children."""

    def __init__(
        self, listener: socket.socket, run_child: Callable[..., NoReturn], *, owner: int, limits: Limits
    ) -> None:
        self._listener = listener
        self._run_child = run_child
        self._owner = owner
        self._limits = limits
        self._askers: set[Asker] = set()
        self._waiting: deque[Asker] = deque()
        self._running: dict[int, Asker] = {}
        self._stopping = False
        self._kept = _open_descriptors() - {listener.fileno()}
        self._own = frozenset(children_of(os.getpid()))  # multiprocessing's, from the warm-up
        self._selector = selectors.DefaultSelector()

    def serve(self) -> None:
        """Answer askers until the owner closes its end of the pipe or SIGTERM arrives; then kill all children."""
        wakeup, wakeup_write = socket.socketpair()
        for end in (wakeup, wakeup_write):
            end.setblocking(False)
        signal.set_wakeup_fd(wakeup_write.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._owner, selectors.EVENT_READ, self._hear_owner)
        self._selector.register(wakeup, selectors.EVENT_READ, lambda: wakeup.recv(4096))
        try:
            while not self._stopping:
                for key, _events in self._selector.select(self._seconds_to_next_deadline()):
                    key.data()
                self._reap()
                self._end_overdue()
                self._start_waiting()
        finally:
            self._end_all()

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _hear_owner(self) -> None:
        if not os.read(self._owner, 4096):
            self._stopping = True

    def _seconds_to_next_deadline(self) -> float | None:
        deadlines = [asker.deadline for asker in self._askers if asker.deadline is not None]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # gone again, or out of descriptors: the others go on
            return
        connection.setblocking(False)
        asker = Asker(connection, time.monotonic() + self._limits.request_seconds)
        self._askers.add(asker)
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._receive(asker))
        if is_from_below(connection):
            self._refuse(asker, "what dbt has started may not start dbt")
        elif len(self._askers) > _MAX_CONNECTIONS:
            self._refuse(asker, f"{_MAX_CONNECTIONS} connections are open")

    def _receive(self, asker: Asker) -> None:
        if asker not in self._askers:  # dropped while handling the same batch of events
            return
        was_whole = asker.request is not None
        try:
            signals = asker.receive()
        except RequestRefused as refusal:
            self._refuse(asker, str(refusal))
            return
        if signals is None:
            self._drop(asker)
            return
        if asker.request is not None and not was_whole:
            self._queue(asker)
        self._signal(asker, signals)

    def _queue(self, asker: Asker) -> None:
        if len(self._waiting) >= self._limits.waiting and len(self._running) >= self._limits.children:
            self._refuse(asker, f"{len(self._running)} dbt processes are running and {len(self._waiting)} wait")
        else:
            self._waiting.append(asker)

    def _start_waiting(self) -> None:
        while self._waiting and len(self._running) < self._limits.children and not self._stopping:
            self._fork(self._waiting.popleft())

    def _fork(self, asker: Asker) -> None:
        request = asker.request
        if request is None:  # only whole requests wait
            return
        server = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # no handler of ours may run in the child
        try:
            pid = os.fork()
            if pid == 0:
                self._run_child(request, asker.descriptors, server=server, kept=self._kept)
        except OSError as error:
            self._refuse(asker, f"cannot start another process: {error}")
            return
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
        asker.pid = pid
        self._running[pid] = asker
        asker.close_descriptors()
        asker.reply(pid=pid)

    def _signal(self, asker: Asker, numbers: bytes) -> None:
        for number in numbers:
            if number not in _FORWARDED:
                continue
            if asker.pid is not None:
                _signal_group(asker.pid, number)
                asker.deadline = asker.deadline or time.monotonic() + self._limits.cancel_seconds
            elif asker in self._waiting:
                asker.reply(returncode=-number, cpu_seconds=0.0, max_rss_bytes=0)
                self._drop(asker)
                return

    def _reap(self) -> None:
        for pid, asker in list(self._running.items()):
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            status, usage = _kill_and_wait(pid)  # it has ended; what it left running in its group has not
            del self._running[pid]
            self._end_strays()
            asker.pid = None
            asker.reply(
                returncode=os.waitstatus_to_exitcode(status),
                cpu_seconds=round(usage.ru_utime + usage.ru_stime, 3),
                max_rss_bytes=usage.ru_maxrss * 1024,
            )
            self._drop(asker)

    def _end_overdue(self) -> None:
        now = time.monotonic()
        for asker in [asker for asker in self._askers if asker.deadline is not None and asker.deadline <= now]:
            asker.deadline = None
            if asker.pid is not None:
                _signal_group(asker.pid, signal.SIGKILL)
            else:
                self._refuse(asker, f"no whole request came within {self._limits.request_seconds:g} s")

    def _refuse(self, asker: Asker, reason: str) -> None:
        asker.reply(refused=reason)
        self._drop(asker)

    def _drop(self, asker: Asker) -> None:
        """Forget an asker. A child of its own that still runs is killed, and reaped by the loop."""
        if asker not in self._askers:
            return
        self._askers.discard(asker)
        with contextlib.suppress(ValueError):
            self._waiting.remove(asker)
        if asker.pid is not None:
            _signal_group(asker.pid, signal.SIGKILL)
        self._selector.unregister(asker.connection)
        asker.connection.close()
        asker.close_descriptors()

    def _end_strays(self) -> None:
        """Kill what ended children have left running, in whatever session or group.

        Each child adopts what is orphaned below it, and this process what is orphaned by the end of a child: its
        children that it did not start are strays, and after them their own children.
        """
        while strays := set(children_of(os.getpid())) - self._running.keys() - self._own:
            for stray in strays:
                os.kill(stray, signal.SIGKILL)
            for stray in strays:
                os.waitpid(stray, 0)

    def _end_all(self) -> None:
        for pid in self._running:
            _signal_group(pid, signal.SIGKILL)
        for pid in self._running:
            os.waitpid(pid, 0)
        self._running.clear()
        self._end_strays()


def _signal_group(pid: int, number: int) -> None:
    """Signal a child that is not reaped yet, and what it started in its process group."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:  # it has no group yet
        os.kill(pid, number)


def _kill_and_wait(pid: int) -> tuple[int, resource.struct_rusage]:
    """Kill the process group of a child that has ended, then reap it; until then nobody else can get its id."""
    _signal_group(pid, signal.SIGKILL)
    _pid, status, usage = os.wait4(pid, 0)
    return status, usage


def _open_descriptors() -> frozenset[int]:
    listed = [int(entry) for entry in os.listdir("/proc/self/fd")]  # noqa: PTH208 -- names are all that is wanted
    return frozenset(number for number in listed if _is_open(number))  # the listing's own is closed by now


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _hung_up(pipe: int) -> bool:
    """Whether nobody holds the other end of the pipe."""
    poll = select.poll()
    poll.register(pipe, 0)  # that it hung up is told in any case
    return any(event & select.POLLHUP for _, event in poll.poll(0))


def main(arguments: Sequence[str] | None = None) -> int:
    """Warm up, listen, say `ready` on stdout, serve; standard input is the owner's pipe."""
    end_with_parent()  # nobody looks at the owner's pipe yet
    if _hung_up(sys.stdin.fileno()):  # the owner ended before it could be watched
        return 0
    # These import dbt, which takes seconds: not before this process ends with its owner.
    from floe_dbt.fork_child import run_child
    from floe_dbt.warm_up import warm_up

    parser = argparse.ArgumentParser(prog="floe_dbt.fork_server", description=__doc__)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--max-children", type=int, default=4)
    parser.add_argument("--max-waiting", type=int, default=64)
    parser.add_argument("--request-seconds", type=float, default=5.0)
    parser.add_argument("--cancel-seconds", type=float, default=15.0)
    options = parser.parse_args(arguments)
    limits = Limits(options.max_children, options.max_waiting, options.request_seconds, options.cancel_seconds)
    stdout = os.dup(1)
    os.dup2(2, 1)  # what dbt may print while it warms up goes to the log
    collect_seldom()  # the children inherit it
    warm_up()
    end_with_parent(0)
    volunteer_for_memory_shortage()
    adopt_descendants()
    conceal()
    listener = listen(options.socket)
    os.write(stdout, wire.READY)
    os.close(stdout)
    server = ForkServer(listener, run_child, owner=sys.stdin.fileno(), limits=limits)
    try:
        server.serve()
    finally:
        options.socket.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
