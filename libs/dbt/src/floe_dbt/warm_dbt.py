"""The owner of a fork server: starts it, starts it again when it dies, and takes it along when it ends itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO, Final, Self

from floe_dbt import child_isolation, environment, wire
from floe_dbt.child_limits import ChildLimits
from floe_dbt.errors import DbtUnavailable
from floe_dbt.invocation import Invocation, invoke_forked, invoke_plain

_NO_LIMITS: Final = ChildLimits()
_SOCKET_NAME: Final = "dbt.sock"
_LOG_NAME: Final = "fork_server.log"
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 5.0
_STOP_SECONDS: Final = 5.0


def fork_server_supported() -> bool:
    """Whether dbt can be forked here: Linux only, because elsewhere forking with native threads cannot be ruled out."""
    return sys.platform == "linux"


class WarmDbt:
    """Runs dbt, warm where that is possible.

    All methods are synchronous and may be called from any thread; from a coroutine, `wait_ready`, `stop` and `invoke`
    go through `asyncio.to_thread`. The server and every dbt process die with the process that holds this object, even
    when that is killed.

    Attributes:
        socket: where the server listens; fixed before it starts, and the same after a restart.
        executable: what stands in for `dbt`, for example as `DbtCliResource(dbt_executable=...)`. It hands only the
            allow-listed part of its environment to dbt.
        variables: what `executable` needs in its environment to find this server.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        max_children: int = 4,
        max_waiting: int = 64,
        request_seconds: float = 5.0,
        cancel_seconds: float = 15.0,
        plain: bool | None = None,
    ) -> None:
        """Prepare; `start` starts.

        Args:
            folder: a folder of its own for the socket and the server's log; made, and closed to others. When it is
                too deep for a socket's path, or not given, a short temporary one takes its place.
            max_children: dbt processes that may run at the same time; further requests wait.
            max_waiting: requests that may wait; further ones are refused.
            request_seconds: how long an asker may take to send its request.
            cancel_seconds: how long dbt may take to end after a signal of its asker, before it is killed.
            plain: use plain `dbt` processes instead of a server; by default where forking is not supported.
        """
        self.plain = not fork_server_supported() if plain is None else plain
        self._temporary = folder is None or len(os.fsencode(folder / _SOCKET_NAME)) > wire.MAX_SOCKET_PATH_BYTES
        self._folder = _private_folder(None if self._temporary else folder)
        self._options = {
            "--socket": str(self.socket),
            "--max-children": str(max_children),
            "--max-waiting": str(max_waiting),
            "--request-seconds": str(request_seconds),
            "--cancel-seconds": str(cancel_seconds),
        }
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._supervisor: threading.Thread | None = None

    @property
    def socket(self) -> Path:
        """Where the server listens."""
        return self._folder / _SOCKET_NAME

    @property
    def executable(self) -> Path:
        """The program that stands in for `dbt`."""
        return Path(sysconfig.get_path("scripts"), "floe-dbt")

    @property
    def variables(self) -> Mapping[str, str]:
        """What `executable` needs in its environment."""
        return {environment.PLAIN: "1"} if self.plain else {environment.SOCKET: str(self.socket)}

    @property
    def pid(self) -> int | None:
        """The process id of the server, while it is ready."""
        process = self._process
        return process.pid if process is not None and self._ready.is_set() else None

    def start(self) -> None:
        """Start the server in the background; returns at once. A second call does nothing.

        From then on, this process can no longer be read by others of its user (`child_isolation.conceal`).
        """
        with self._lock:
            if self.plain or self._supervisor is not None:
                return
            child_isolation.conceal()
            self._supervisor = threading.Thread(target=self._supervise, name="floe-dbt-supervisor", daemon=True)
            self._supervisor.start()

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Block until dbt can be invoked.

        Raises:
            DbtUnavailable: it could not within `timeout` seconds; carries the last line that the server logged.
        """
        if not self.plain and not self._ready.wait(timeout):
            raise DbtUnavailable(f"the dbt fork server was not ready within {timeout:g} s: {self._last_log_line()}")

    def stop(self) -> None:
        """Kill all dbt processes, end the server, and remove what it left. It cannot be started again."""
        self._stopping.set()
        with self._lock:
            process, supervisor = self._process, self._supervisor
        if process is not None and supervisor is not None:
            if self._ready.is_set():
                _close(process.stdin)
            else:  # still importing dbt: it has no children, and would look at the pipe only later
                process.kill()
            supervisor.join(_STOP_SECONDS)
            process.kill()
            supervisor.join()
        self.socket.unlink(missing_ok=True)
        if self._temporary:
            shutil.rmtree(self._folder, ignore_errors=True)

    def invoke(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        output: BinaryIO,
        timeout: float | None = None,
        program: wire.Program = wire.Program.DBT,
        limits: ChildLimits = _NO_LIMITS,
    ) -> Invocation:
        """Run dbt and wait for its end.

        Args:
            arguments: the command line, without `dbt`.
            cwd: the folder that dbt runs in.
            environment: all of dbt's environment, usually from `dbt_environment`.
            output: an open file or pipe that takes stdout and stderr.
            timeout: seconds after which dbt is killed.
            program: dbt's command line, or floe's own way to parse.
            limits: of the child; a plain process has none.

        Raises:
            DbtUnavailable: the server did not become ready, or broke off.
            DbtBusy: the server is full.
            DbtTimedOut: `timeout` passed.
        """
        if self.plain:
            return invoke_plain(
                arguments, cwd=cwd, environment=environment, output=output, timeout=timeout, program=program
            )
        self.wait_ready()
        return invoke_forked(
            self.socket,
            arguments,
            cwd=cwd,
            environment=environment,
            output=output,
            timeout=timeout,
            program=program,
            limits=limits,
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _supervise(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while (process := self._spawn()) is not None:
            if _said_ready(process.stdout):
                self._ready.set()
                pause = _FIRST_PAUSE_SECONDS
            process.wait()
            self._ready.clear()
            _close(process.stdin)
            _close(process.stdout)
            self._stopping.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _spawn(self) -> subprocess.Popen[bytes] | None:
        """Start a server whose stdin is our pipe; None when `stop` was called.

        It gets the allow-listed environment too: whatever it held, every dbt child would hold in its memory.
        """
        options = [part for option in self._options.items() for part in option]
        with self._lock, (self._folder / _LOG_NAME).open("wb") as log:
            if self._stopping.is_set():
                return None
            self._process = subprocess.Popen(  # noqa: S603 -- our own module
                [sys.executable, "-P", "-m", "floe_dbt.fork_server", *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment.client_environment(environment.system_environment(os.environ)),
                start_new_session=True,
            )
            return self._process

    def _last_log_line(self) -> str:
        with contextlib.suppress(OSError):
            lines = (self._folder / _LOG_NAME).read_text(errors="replace").split("\n")
            return next((line for line in reversed(lines) if line.strip()), "it logged nothing")
        return "it logged nothing"


def _said_ready(stdout: IO[bytes] | None) -> bool:
    return stdout is not None and stdout.readline() == wire.READY


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with contextlib.suppress(OSError):
            pipe.close()


def _private_folder(folder: Path | None) -> Path:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        return folder
    for parent in (None, "/tmp"):  # noqa: S108 -- mkdtemp makes a folder of our own, mode 0700
        made = Path(tempfile.mkdtemp(prefix="floe-", dir=parent))
        if len(os.fsencode(made / _SOCKET_NAME)) <= wire.MAX_SOCKET_PATH_BYTES:
            return made
        made.rmdir()
    raise AssertionError("a folder in /tmp has a short path")
