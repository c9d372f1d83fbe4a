"""Fixtures for tests against a real PostgreSQL. A pytest plugin, loaded by `floe_chassis.testing`.

The server is the one that `FLOE_TEST_POSTGRES_URL` names, or one of our own from the installed programs. Where neither
is there, tests that ask for it are skipped and say why.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import pytest

from floe_chassis.testing import free_port

ADDRESS_VARIABLE: Final = "FLOE_TEST_POSTGRES_URL"
_HOST: Final = "127.0.0.1"
_SUPERUSER: Final = "postgres"
_UNPRIVILEGED: Final = ("postgres", "nobody")
_PACKAGED: Final = Path("/usr/lib/postgresql")
_READY_WITHIN: Final = 30.0
_STOP_WITHIN: Final = 20.0
_POLL: Final = 0.02
_PORT_TRIES: Final = 3

# Nothing of a test's database is worth a write to the disk.
_SETTINGS: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "jit": "off",
    "shared_buffers": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "unix_socket_directories": "",
    "log_statement": "all",
}

# The kernel ends the server with the thread that started it, so that thread lives as long as the process.
_STARTER: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="postgres-starter")
# PostgreSQL refuses to run as root, and the kernel forgets the death signal when the user changes: in this order.
_LAUNCHER: Final = """
import ctypes, os, signal, sys
owner, user, group = map(int, sys.argv[1:4])
library = ctypes.CDLL(None)
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
if sys.platform == "linux":
    library.prctl(1, signal.SIGQUIT)
    if os.getppid() != owner:
        sys.exit("the owner is gone")
os.execv(sys.argv[4], sys.argv[4:])
"""


@dataclass(frozen=True, kw_only=True)
class PostgresDatabase:
    """A database and who may do anything in it."""

    host: str
    port: int
    user: str
    password: str
    name: str

    @property
    def url(self) -> str:
        """The address as libpq and SQLAlchemy read it, with user and password."""
        return (
            f"postgresql://{quote(self.user, safe='')}:{quote(self.password, safe='')}@{self.host}:{self.port}"
            f"/{quote(self.name, safe='')}"
        )

    @classmethod
    def at(cls, url: str) -> PostgresDatabase:
        """The database of an address; host, port, user and name fall back to libpq's own defaults."""
        parts = urlsplit(url)
        return cls(
            host=parts.hostname or _HOST,
            port=parts.port or 5432,
            user=unquote(parts.username or _SUPERUSER),
            password=unquote(parts.password or ""),
            name=unquote(parts.path.removeprefix("/")) or _SUPERUSER,
        )

    def run(self, statements: str) -> list[tuple[Any, ...]]:
        """Run statements in a connection of their own; the rows of the last one."""
        import psycopg2  # type: ignore[import-untyped]

        connection = psycopg2.connect(self.url)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statements)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()


class PostgresServer:
    """A PostgreSQL of our own at a free port: on the loopback address, by password, without care for the disk.

    Args:
        folder: a new one for its data; it belongs to the server's user afterwards.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self.password = secrets.token_hex(8)
        self._programs = find_programs()
        self._account = _account()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def database(self) -> PostgresDatabase:
        """The database that every server has, as its superuser."""
        return PostgresDatabase(host=_HOST, port=self.port, user=_SUPERUSER, password=self.password, name=_SUPERUSER)

    def start(self) -> None:
        """Start it, on the port of before if there was one, and wait until it takes connections.

        Raises:
            AssertionError: it did not start; the message has the end of its log.
        """
        if not (self.folder / "data").is_dir():
            self._make_cluster()
        kept = self.port
        for _ in range(_PORT_TRIES):
            self.port = kept or free_port()
            settings = {**_SETTINGS, "listen_addresses": _HOST, "port": str(self.port)}
            options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
            self._process = self._launch("postgres", "-D", str(self.folder / "data"), *options)
            if self._ready():
                return
            self.stop()
            # Somebody may have taken the free port meanwhile.
            if kept or "Address already in use" not in self.log():
                break
        raise AssertionError(f"PostgreSQL did not start: {self.log()[-2000:]}")

    def stop(self) -> None:
        """End it at once; connections break, what was committed stays for `start`."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGQUIT)
            process.wait(_STOP_WITHIN)

    def log(self) -> str:
        """What it wrote, with every statement that it was given."""
        return (self.folder / "postgres.log").read_text(errors="replace")

    def _make_cluster(self) -> None:
        secret = self.folder / "password"
        secret.write_text(self.password)
        (self.folder / "postgres.log").touch()
        if os.geteuid() == 0:
            os.chown(self.folder, *self._account)
            os.chown(secret, *self._account)
        made = self._launch(
            "initdb", "-D", str(self.folder / "data"), "--username", _SUPERUSER, "--pwfile", str(secret),
            "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync",
        ).wait(_READY_WITHIN)  # fmt: skip
        secret.unlink()
        if made != 0:
            raise AssertionError(f"initdb failed: {self.log()[-2000:]}")

    def _launch(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        owner = [str(number) for number in (os.getpid(), *self._account)]
        command = [sys.executable, "-I", "-S", "-c", _LAUNCHER, *owner, str(self._programs / program), *arguments]
        return _STARTER.submit(_spawn, command, self.folder).result()

    def _ready(self) -> bool:
        import psycopg2

        deadline = time.monotonic() + _READY_WITHIN
        while self._process is not None and self._process.poll() is None and time.monotonic() < deadline:
            try:
                self.database.run("select 1")
            except psycopg2.OperationalError:
                time.sleep(_POLL)
            else:
                return True
        return False


def find_programs() -> Path:
    """The folder with `initdb` and `postgres`: that of PATH, or the newest that Debian's packages installed.

    Skips the test that asks if there is none.
    """
    found = [shutil.which("initdb")]
    if _PACKAGED.is_dir():
        versions = sorted(_PACKAGED.iterdir(), key=lambda folder: folder.name.zfill(8), reverse=True)
        found += [shutil.which("initdb", path=str(folder / "bin")) for folder in versions]
    for initdb in filter(None, found):
        folder = Path(initdb).resolve().parent
        if (folder / "postgres").exists():
            return folder
    pytest.skip(f"no PostgreSQL: install Debian's `postgresql` or name a server in {ADDRESS_VARIABLE}")


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server of the test's own, which it may stop and start."""
    yield from _running()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresDatabase]:
    """A server for the whole run, as the database and user that may create others. Do not stop it."""
    if url := os.environ.get(ADDRESS_VARIABLE):
        yield PostgresDatabase.at(url)
        return
    for server in _running():
        yield server.database


@pytest.fixture
def postgres_database(postgres_server: PostgresDatabase) -> Iterator[PostgresDatabase]:
    """An empty database of the test's own; its connections are cut at the end."""
    name = f"floe_{secrets.token_hex(8)}"
    postgres_server.run(f'create database "{name}"')
    yield PostgresDatabase(
        host=postgres_server.host,
        port=postgres_server.port,
        user=postgres_server.user,
        password=postgres_server.password,
        name=name,
    )
    postgres_server.run(f'drop database "{name}" with (force)')


def _running() -> Iterator[PostgresServer]:
    # Not below pytest's folder, which the server's user may not enter.
    folder = Path(tempfile.mkdtemp(prefix="floe-postgres-"))
    try:
        server = PostgresServer(folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _account() -> tuple[int, int]:
    if os.geteuid() != 0:
        return os.getuid(), os.getgid()
    accounts = {account.pw_name: account for account in pwd.getpwall()}
    for name in _UNPRIVILEGED:
        if name in accounts:
            return accounts[name].pw_uid, accounts[name].pw_gid
    pytest.skip("PostgreSQL does not run as root, and there is no other account")


def _spawn(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "postgres.log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own launcher and a program that was looked up
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
        )
