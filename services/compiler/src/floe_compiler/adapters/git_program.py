"""Calling `git`: no shell, nothing of the machine's own configuration, no prompt, no hook, an end to everything."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from floe_compiler.core.git.errors import GitFailed, GitMissing, RepositoryTooLarge
from floe_compiler.settings import GitSettings

MISSING_REF: Final = 2
"""What `git ls-remote --exit-code` exits with when no ref matches."""
_PASSED_ON: Final = frozenset(
    {"PATH", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO"}
)
_CONFIG: Final = (
    "core.hooksPath=/dev/null",
    "core.symlinks=false",
    "core.fsmonitor=false",
    "protocol.ext.allow=never",
    "credential.helper=",
    # A server that is allowed must not lead to one that is not.
    "http.followRedirects=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=20",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=no",
    "transfer.bundleURI=false",
    "gc.auto=0",
    "maintenance.auto=false",
)
_STDERR_LIMIT: Final = 64 * 1024
_SHOWN: Final = 300
_LOOK: Final = 0.2


@dataclass(frozen=True, slots=True)
class Quota:
    """What a call may leave on the disk: the bytes below a folder."""

    folder: Path
    most: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A call that has ended, by its exit code and its output."""

    code: int
    stdout: bytes


@dataclass(frozen=True, slots=True)
class Call:
    """A call that runs."""

    process: asyncio.subprocess.Process
    complaints: asyncio.Task[str]
    command: str

    @property
    def stdout(self) -> asyncio.StreamReader:
        """What it answers."""
        return cast("asyncio.StreamReader", self.process.stdout)

    async def failed(self) -> GitFailed:
        """The error to raise for a call that went wrong."""
        said = _said(await self.complaints)
        return GitFailed(f"git {self.command} failed: {said}", hint="check the address and the credentials")


class GitProgram:
    """The `git` of this machine, with an environment of its own."""

    def __init__(self, settings: GitSettings, environment: Mapping[str, str], home: Path) -> None:
        self._timeout = settings.timeout
        self._path = shutil.which("git", path=environment.get("PATH"))
        self._config = [argument for setting in (*_CONFIG, *_credentials(settings)) for argument in ("-c", setting)]
        self._environment = _environment(settings, environment, home)

    async def run(
        self,
        *arguments: str,
        folder: Path,
        stdin: bytes = b"",
        accepted: tuple[int, ...] = (0,),
        quota: Quota | None = None,
    ) -> Finished:
        """Call git and wait for its end.

        Args:
            arguments: whatever comes from outside stands behind a `--`.
            folder: of the bare repository.
            stdin: what it reads.
            accepted: exit codes that are no failure.
            quota: end the call when it leaves more than that.

        Raises:
            GitFailed: another exit code, or too slow.
            GitMissing: there is no git.
            RepositoryTooLarge: over the quota.
        """
        async with self.running(*arguments, folder=folder, stdin=stdin) as call:
            watching = asyncio.create_task(_end_over(quota, call.process)) if quota else None
            stdout = await call.stdout.read()
            code = await call.process.wait()
            if watching is not None:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
        if quota is not None and await asyncio.to_thread(folder_size, quota.folder) > quota.most:
            raise RepositoryTooLarge(
                f"the repository has more than {quota.most} bytes", hint="FLOE_COMPILER_GIT_MAX_BYTES sets the limit"
            )
        if code not in accepted:
            raise await call.failed()
        return Finished(code, stdout)

    @contextlib.asynccontextmanager
    async def running(self, *arguments: str, folder: Path, stdin: bytes = b"") -> AsyncIterator[Call]:
        """A call whose output is read as it comes; it and all that it started are gone at the end.

        Raises:
            GitFailed: too slow.
            GitMissing: there is no git.
        """
        if self._path is None:
            raise GitMissing("no git was found on the PATH", hint="install git where the compiler runs")
        process = await asyncio.create_subprocess_exec(
            self._path,
            *self._config,
            *arguments,
            cwd=folder,
            env=self._environment | {"GIT_DIR": str(folder)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        # None of the three pipes may fill while another one is waited for.
        complaints = asyncio.create_task(_complaints(process))
        feeding = asyncio.create_task(_feed(process, stdin))
        try:
            async with asyncio.timeout(self._timeout):
                yield Call(process, complaints, _command(arguments))
        except TimeoutError as error:
            raise GitFailed(
                f"git {_command(arguments)} took longer than {self._timeout:g} s",
                hint="is the server up? FLOE_COMPILER_GIT_TIMEOUT sets the limit",
            ) from error
        finally:
            _kill(process)
            feeding.cancel()
            await asyncio.gather(feeding, complaints, process.wait(), return_exceptions=True)


def folder_size(folder: Path) -> int:
    """The bytes of all files below a folder; those that vanish meanwhile do not count."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(f"{place}/{name}").st_size
    return total


def _environment(settings: GitSettings, environment: Mapping[str, str], home: Path) -> dict[str, str]:
    passed = {name: value for name, value in environment.items() if name in _PASSED_ON}
    return passed | {
        "HOME": str(home),
        "LC_ALL": "C",
        "GIT_ALLOW_PROTOCOL": "https:ssh:file" if settings.local else "https:ssh",
        "GIT_ASKPASS": "true",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_SSH_COMMAND": _ssh(settings),
        "GIT_SSH_VARIANT": "ssh",
        "GIT_TERMINAL_PROMPT": "0",
    }


def _ssh(settings: GitSettings) -> str:
    """The command that git hands to a shell; only our own settings stand in it."""
    options = ["BatchMode=yes", "StrictHostKeyChecking=yes", "ClearAllForwardings=yes"]
    if settings.known_hosts_file is not None:
        options.append(f"UserKnownHostsFile={settings.known_hosts_file}")
    command = ["ssh", "-F", os.devnull, *(part for option in options for part in ("-o", option))]
    if settings.ssh_key_file is not None:
        command += ["-o", "IdentitiesOnly=yes", "-i", str(settings.ssh_key_file)]
    return shlex.join(command)


def _credentials(settings: GitSettings) -> tuple[str, ...]:
    if settings.credentials_file is None:
        return ()
    return (f"credential.helper=store --file={shlex.quote(str(settings.credentials_file))}",)


async def _feed(process: asyncio.subprocess.Process, content: bytes) -> None:
    pipe = cast("asyncio.StreamWriter", process.stdin)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        pipe.write(content)
        await pipe.drain()
    pipe.close()


async def _complaints(process: asyncio.subprocess.Process) -> str:
    """What git says on its standard error; the end of a long speech is not kept."""
    pipe = cast("asyncio.StreamReader", process.stderr)
    said = b""
    while chunk := await pipe.read(_STDERR_LIMIT):
        said += chunk[: _STDERR_LIMIT - len(said)]
    return said.decode(errors="replace")


async def _end_over(quota: Quota, process: asyncio.subprocess.Process) -> None:
    while await asyncio.to_thread(folder_size, quota.folder) <= quota.most:  # noqa: ASYNC110  # a folder has no event
        await asyncio.sleep(_LOOK)
    _kill(process)


def _kill(process: asyncio.subprocess.Process) -> None:
    """End the whole session: git leaves its work to children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _command(arguments: tuple[str, ...]) -> str:
    skipped = 0
    for index, argument in enumerate(arguments):
        if argument == "-c":
            skipped = index + 2
    return arguments[skipped]


def _said(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.startswith(("fatal:", "error:"))]
    text = (lines or stderr.splitlines() or ["it says nothing"])[0]
    return "".join(character for character in text if character.isprintable())[:_SHOWN]
