"""One fork server for the whole session, and small dbt projects to run on it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pytest

from floe_contracts.artifacts import Compute
from floe_dbt import wire
from floe_dbt.parse import ParsedProject, parse_project
from floe_dbt.profiles import WarehouseFile, render_profile
from floe_dbt.testing import PackageHub, serving_hub
from floe_dbt.warm_dbt import WarmDbt

Wait = Callable[..., None]

SLEEPING = """
import pathlib, time

def model(dbt, session):
    pathlib.Path("sleeping").touch()
    time.sleep(600)
    return session.sql("select 1 as one")
"""


@pytest.fixture(scope="session")
def canary() -> Iterator[str]:
    """A secret that stands in this process's environment all the time, from before the server starts."""
    os.environ["SOMETHING_SECRET"] = "canary-1f6b0a"
    yield "canary-1f6b0a"
    del os.environ["SOMETHING_SECRET"]


@pytest.fixture(scope="session")
def server(canary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmDbt]:
    """A fork server with room for two children and one that waits."""
    folder = tmp_path_factory.mktemp("server")
    with WarmDbt(folder, max_children=2, max_waiting=1, request_seconds=3.0, cancel_seconds=10.0) as warm:
        yield warm


@pytest.fixture
def wait_until() -> Wait:
    """Waits for a fact, and says which when it does not come in time."""

    def wait(fact: Callable[[], Any], what: str, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not fact():
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
            time.sleep(0.01)

    return wait


def dbt_children(warm: WarmDbt) -> list[psutil.Process]:
    """The dbt processes that the server runs at the moment: each leads a process group."""
    pid = warm.pid
    return [] if pid is None else [child for child in psutil.Process(pid).children() if _leads_a_group(child.pid)]


def _leads_a_group(pid: int) -> bool:
    with suppress(ProcessLookupError):
        return os.getpgid(pid) == pid
    return False


@pytest.fixture
def dbt(server: WarmDbt, wait_until: Wait) -> Iterator[WarmDbt]:
    """The session's server, ready, and afterwards without children."""
    server.wait_ready()
    yield server
    wait_until(lambda: not dbt_children(server), "the server has no children left")


@pytest.fixture
def children(dbt: WarmDbt) -> Callable[[], list[psutil.Process]]:
    """Lists the dbt processes that the server runs at the moment."""
    return lambda: dbt_children(dbt)


@pytest.fixture
def connections(dbt: WarmDbt) -> Callable[[], int]:
    """Counts the server's open connections: its sockets but for the listening one and the pair that wakes it."""
    return lambda: len(psutil.Process(dbt.pid).net_connections(kind="unix")) - 3


@pytest.fixture
def ask_for_help(dbt: WarmDbt) -> Iterator[Callable[[], socket.socket]]:
    """Asks the server for `dbt --help`; the replies are to be read from the connection."""
    connections = []

    def ask() -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connections.append(connection)
        connection.settimeout(60)
        connection.connect(str(dbt.socket))
        with Path(os.devnull).open("r+b") as nothing:
            descriptors = (nothing.fileno(),) * 3
            wire.send_request(connection, ["--help"], cwd="/", environment={}, descriptors=descriptors)
        return connection

    yield ask
    for connection in connections:
        connection.close()


@dataclass
class DbtProject:
    """A dbt project on disk with its profile and its warehouse; the profile is the one that floe writes."""

    folder: Path
    allowed: tuple[Path, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.write(self.files)
        self.profiles.mkdir(parents=True, exist_ok=True)
        compute = Compute(name="duckdb", type="duckdb", threads=2, properties=dict(self.properties))
        text = render_profile("dev", compute, WarehouseFile(self.database, self.allowed))
        (self.profiles / "profiles.yml").write_text(text)

    @property
    def sources(self) -> Path:
        return self.folder / "project"

    @property
    def profiles(self) -> Path:
        return self.folder / "profiles"

    @property
    def database(self) -> Path:
        return self.folder / "warehouse" / "shop.duckdb"

    def write(self, files: Mapping[str, str]) -> None:
        self.database.parent.mkdir(parents=True, exist_ok=True)
        for name, text in {"dbt_project.yml": PROJECT_YML, **files}.items():
            path = self.sources / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def arguments(self, *command: str) -> list[str]:
        return ["--log-format", "json", "--no-use-colors", *command, "--profile", "floe"]

    def environment(self, dbt: WarmDbt, **variables: str) -> dict[str, str]:
        """The environment of a client, with everything in it that this process has."""
        return {**os.environ, **dbt.variables, "DBT_PROFILES_DIR": str(self.profiles), **variables}

    def run(self, dbt: WarmDbt, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the client and wait for it."""
        return subprocess.run(
            [dbt.executable, *self.arguments(*command)],
            cwd=self.sources,
            env=self.environment(dbt, **variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, dbt: WarmDbt, *command: str, **variables: str) -> subprocess.Popen[str]:
        """Start the client; its stdout can be read while it runs."""
        return subprocess.Popen(
            [dbt.executable, *self.arguments(*command)],
            cwd=self.sources,
            env=self.environment(dbt, **variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return connection.execute(query).fetchall()


PROJECT_YML = "name: shop\nversion: '1.0'\nprofile: floe\nmodels: {shop: {+materialized: table}}\n"
ORDERS = {
    "seeds/raw_orders.csv": "id,customer\n1,ann\n2,bob\n3,ann\n",
    "models/orders.sql": "select id, customer from {{ ref('raw_orders') }}",
    "models/customers.sql": "select customer, count(*) as orders from {{ ref('orders') }} group by all",
    "models/schema.yml": """
models:
  - name: customers
    columns:
      - {name: customer, data_tests: [not_null, unique]}
""",
}


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., DbtProject]:
    """Makes a project; DuckDB may touch nothing but the project's own folder."""
    return _maker(tmp_path)


@pytest.fixture(scope="module")
def make_module_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., DbtProject]:
    """Makes a project that all tests of a module share."""
    return _maker(tmp_path_factory.mktemp("module"))


def _maker(parent: Path) -> Callable[..., DbtProject]:
    def make(files: Mapping[str, str] | None = None, name: str = "one", **properties: Any) -> DbtProject:
        folder = parent / name
        return DbtProject(folder, (folder / "project",), ORDERS if files is None else files, properties)

    return make


@pytest.fixture
def endless(make_project: Callable[..., DbtProject]) -> DbtProject:
    """A project whose only model never ends, and does not heed SIGINT."""
    return make_project({"models/sleeping.py": SLEEPING}, name="endless")


@pytest.fixture
def begun(dbt: WarmDbt) -> Iterator[Callable[[subprocess.Popen[str]], subprocess.Popen[str]]]:
    """Waits until a client's dbt works on a model; kills the client at the end of the test."""
    clients: list[subprocess.Popen[str]] = []

    def wait(client: subprocess.Popen[str]) -> subprocess.Popen[str]:
        clients.append(client)
        assert client.stdout is not None
        seen = []
        for line in client.stdout:
            seen.append(line)
            if "LogStartLine" in line:
                return client
        raise AssertionError(f"dbt ended before it began: {''.join(seen)}")

    yield wait
    for client in clients:
        client.kill()
        client.communicate()


@pytest.fixture(scope="session")
def parse(server: WarmDbt) -> Callable[[DbtProject], ParsedProject]:
    """Parses a project; again in the same folders each time."""

    def parse_again(project: DbtProject) -> ParsedProject:
        return parse_project(
            server,
            project.sources,
            environment="dev",
            profiles_dir=project.profiles,
            state_dir=project.folder / "state",
            source=os.environ,
        )

    return parse_again


@pytest.fixture
def hub() -> Iterator[PackageHub]:
    """A package hub on this machine."""
    with serving_hub() as hub:
        yield hub
