"""A real nats-server of our own: for the embedded stack and for tests.

It listens on the loopback address, keeps its store to itself, and dies with the process that started it, however that
ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Final

from floe_chassis.errors import ServerFailed, ServerNotFound, StoreInUse

HOST: Final = "127.0.0.1"
BINARY_VARIABLE: Final = "FLOE_NATS_SERVER"
_NAME: Final = "nats-server"
_READY_WITHIN: Final = 20.0
_STOP_WITHIN: Final = 10.0
_POLL: Final = 0.01
_PORT_TRIES: Final = 3

# The kernel kills the server when the thread that started it ends, so that thread must live as long as the process.
_STARTER: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nats-server-starter")
# Run by a bare interpreter, which then becomes the server: nothing runs between fork and exec in our own process.
_LINUX_LAUNCHER: Final = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the owner is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""
# Where the kernel has no such promise, a shell looks for the owner every second.
_WATCHDOG: Final = """
owner=$1; shift
"$@" & server=$!
trap 'kill -TERM $server' TERM INT
while kill -0 "$owner" && kill -0 $server; do sleep 1 & wait $!; done 2>/dev/null
kill -0 "$owner" 2>/dev/null || kill -KILL $server 2>/dev/null
wait $server
"""

# Stores that this process has open; the lock of a file does not tell two owners in one process apart.
_held: set[Path] = set()


def find_binary(binary: str | None = None) -> str:
    """Where the nats-server program is: the argument, `FLOE_NATS_SERVER`, beside this Python, or in PATH.

    Raises:
        ServerNotFound: nowhere.
    """
    named = binary or os.environ.get(BINARY_VARIABLE)
    beside = Path(sys.executable).with_name(_NAME)
    found = shutil.which(named) if named else shutil.which(str(beside)) or shutil.which(_NAME)
    if found is None:
        raise ServerNotFound(
            f"there is no program {named or _NAME!r}",
            hint=f"install floe-chassis[server], or name the program in {BINARY_VARIABLE}",
        )
    return found


class NatsServer:
    """One nats-server process on one port and one store.

    Args:
        store_dir: JetStream's folder; holds the configuration and the log too.
        port: 0 takes a free one and keeps it over restarts.
        config: more lines for the server's configuration file.
        binary: the program; see `find_binary`.
        watchdog: watch the owner by a shell instead of by the kernel; the default where the kernel cannot.
    """

    def __init__(
        self,
        store_dir: Path,
        *,
        port: int = 0,
        config: str = "",
        binary: str | None = None,
        watchdog: bool = sys.platform != "linux",
    ) -> None:
        self.store_dir = store_dir.absolute()
        self.port = port
        self._chosen = port == 0
        self._config = config
        self._binary = find_binary(binary)
        self._watchdog = watchdog
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    @property
    def url(self) -> str:
        """The address for clients, without user and password."""
        return f"nats://{HOST}:{self.port}"

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process id, or None if it does not run."""
        return self._process.pid if self._process is not None and self.running else None

    def start(self) -> None:
        """Start and wait until it takes connections.

        Raises:
            StoreInUse: another process, or another server of this one, has the store.
            ServerFailed: it ended, or was not ready in time; the message has the end of its log.
        """
        self._hold_store()
        for attempt in range(_PORT_TRIES):
            if self._chosen and (attempt or not self.port):
                self.port = _free_port()
            self._launch()
            if self._await_ready():
                self._chosen = False
                return
            self.kill()
            # Somebody may have taken the free port meanwhile.
            if not self._chosen or "address already in use" not in self._log_tail():
                break
        self._free_store()
        raise ServerFailed(f"nats-server did not start: {self._log_tail()}", hint=f"see {self._log_file}")

    def stop(self) -> None:
        """Ask it to end, wait, and let the store go."""
        self._end(signal.SIGTERM)
        self._free_store()

    def kill(self) -> None:
        """End it at once, as a crash would; the store stays ours for `start` again."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop if it runs, and start on the same port and store."""
        self._end(signal.SIGTERM)
        self.start()

    @property
    def _log_file(self) -> Path:
        return self.store_dir / "nats-server.log"

    def _launch(self) -> None:
        file = self.store_dir / "nats-server.conf"
        file.write_text(
            f'listen: "{HOST}:{self.port}"\n'
            f'jetstream {{ store_dir: "{self.store_dir}" }}\n'
            f'logfile: "{self._log_file}"\nlogfile_size_limit: 10MB\n{self._config}\n'
        )
        server = [self._binary, "-c", str(file)]
        owner = str(os.getpid())
        if self._watchdog:
            command = ["/bin/sh", "-c", _WATCHDOG, _NAME, owner, *server]
        else:
            command = [sys.executable, "-I", "-S", "-c", _LINUX_LAUNCHER, owner, *server]
        self._process = _STARTER.submit(_spawn, command, self._log_file).result()

    def _await_ready(self) -> bool:
        deadline = time.monotonic() + _READY_WITHIN
        while self.running and time.monotonic() < deadline:
            # A server that greets has recovered its store.
            with (
                contextlib.suppress(OSError),
                socket.create_connection((HOST, self.port), timeout=1.0) as connection,
            ):
                if connection.recv(4) == b"INFO":
                    return self.running
            time.sleep(_POLL)
        return False

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for attempt in (number, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, attempt)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_WITHIN)
                return

    def _log_tail(self) -> str:
        with contextlib.suppress(OSError):
            return " | ".join(self._log_file.read_text(errors="replace").splitlines()[-3:])
        return "it left no log"

    def _hold_store(self) -> None:
        if self._lock is not None:
            return
        self.store_dir.mkdir(parents=True, exist_ok=True)
        place = self.store_dir.resolve()
        if place in _held:
            raise StoreInUse(f"{self.store_dir} is open in this process already", hint="give each stack its own folder")
        lock = (self.store_dir / "floe.lock").open("a+")
        try:
            # A lock of the process, not of the open file: forked children do not keep it.
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            owner = lock.read().strip() or "?"
            lock.close()
            raise StoreInUse(
                f"{self.store_dir} belongs to the running process {owner}",
                hint="use that stack, stop it, or choose another folder",
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock
        _held.add(place)

    def _free_store(self) -> None:
        if self._lock is not None:
            _held.discard(self.store_dir.resolve())
            self._lock.close()
            self._lock = None


def _spawn(command: list[str], log_file: Path) -> subprocess.Popen[bytes]:
    # What goes wrong before the server has read its configuration goes to stderr alone.
    with log_file.open("ab") as log:
        # A group of its own: an interrupt at the terminal stops the stack, which then stops the server in order.
        return subprocess.Popen(  # noqa: S603 - our own launcher and a program that was looked up
            command,
            cwd=log_file.parent,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
