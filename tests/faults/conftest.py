"""One stack of processes for all fault tests of a worker; what a test looks at is its own run, or its own product."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from floe_chassis.blobs import BlobStore, open_blobs
from floe_chassis.bus import Bus
from floe_chassis.fault_points import FOLDER
from floe_chassis.nats_server import NatsServer
from floe_chassis.settings import ChassisSettings, load_settings
from floe_chassis.source_bundles import pack
from floe_cli.stack.folders import StackFolder
from floe_contracts.events import SpecSubmitted
from floe_contracts.subjects import EventKind

from .facts import TENANT, Facts, until
from .fault_points import Points
from .processes import SERVICES, Stack
from .products import write_product, write_tiny_product

Publish = Callable[..., Awaitable[str]]
Recovery = Callable[[], None]
RECOVERY = "recovery_seconds"
OUTAGE = "lineage_outage"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How long recovery took, over all tests that struck, and what a long outage of a lineage backend comes to."""
    reports = [report for group in terminalreporter.stats.values() for report in group]
    for report in reports:
        for name, told in getattr(report, "user_properties", ()):
            if name == OUTAGE and getattr(report, "when", None) == "teardown":
                terminalreporter.write_line(told)
    took = sorted(
        seconds
        for report in reports
        for name, seconds in getattr(report, "user_properties", ())
        if name == RECOVERY and getattr(report, "when", None) == "teardown"
    )
    if took:
        p95 = took[min(len(took) - 1, round(0.95 * len(took)))]
        median = took[len(took) // 2]
        terminalreporter.write_line(
            f"recovery from {len(took)} faults: median {median} s, p95 {p95} s, longest {took[-1]} s"
        )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.fault)


@pytest.fixture(scope="session")
def _stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    root = tmp_path_factory.mktemp("stack")
    server = NatsServer(root / "bus")
    server.start()
    git = {"FLOE_COMPILER_GIT_LOCAL": "true", "FLOE_COMPILER_GIT_REPOSITORIES": '["*"]'}
    (root / "points").mkdir()
    held = {FOLDER: str(root / "points")}
    stack = Stack(root, StackFolder(root).environment(server.url) | git | held, server)
    try:
        stack.floe("topology", "apply")
        yield stack
    finally:
        stack.stop()


@pytest.fixture
def stack(_stack: Stack) -> Stack:
    """The stack, with its bus and every service running."""
    if not _stack.server.running:
        _stack.server.start()
    _stack.start(*SERVICES)
    return _stack


@pytest.fixture
def points(stack: Stack) -> Points:
    """Where the executor can be held."""
    return Points(stack.root / "points")


@pytest.fixture
def settings(stack: Stack) -> ChassisSettings:
    """How to reach the stack."""
    return load_settings(ChassisSettings, stack.environment)


@pytest.fixture
async def bus(settings: ChassisSettings) -> AsyncIterator[Bus]:
    """A connection to the stack."""
    connection = Bus("test", settings)
    await connection.connect(wait=False)
    yield connection
    await connection.close()


@pytest.fixture
def blobs(settings: ChassisSettings) -> BlobStore:
    """The blob store of the stack."""
    return open_blobs(settings.blobs_url)


@pytest.fixture
def facts(bus: Bus, stack: Stack) -> Facts:
    """What is true of the stack."""
    environment = stack.environment
    uri, warehouse = environment["FLOE_CATALOG_URI"], environment["FLOE_CATALOG_WAREHOUSE"]
    return Facts(bus, {"type": "sql", "uri": uri, "warehouse": warehouse})


@pytest.fixture
def publish(bus: Bus, blobs: BlobStore, tmp_path: Path) -> Publish:
    """Publish a submission of a product; gives the id of its event."""

    async def submit(
        name: str, submission: str, *, slow_rows: int = 1, description: str = "", tiny: bool = False
    ) -> str:
        if tiny:
            folder = write_tiny_product(tmp_path / name, name)
        else:
            folder = write_product(tmp_path / name, name, slow_rows=slow_rows, description=description)
        submitted = SpecSubmitted(
            tenant=TENANT,
            product=name,
            submission=submission,
            bundle=await pack(folder, blobs),
            platform=await blobs.put((folder / "platform.yaml").read_bytes()),
        )
        cause = f"{name}:{submission}"
        await bus.publish(submitted, id=cause)
        return cause

    return submit


@pytest.fixture(scope="session")
def _artifacts() -> dict[str, str]:
    return {}


@pytest.fixture
def compiled(publish: Publish, facts: Facts, _artifacts: dict[str, str]) -> Publish:
    """Have a product compiled, once for all tests; gives the digest of its artifact."""

    async def compile_(name: str, **options: int) -> str:
        if name not in _artifacts:
            await publish(name, "first", **options)
            events = await until(lambda: facts.events(EventKind.ARTIFACT_COMPILED, name))
            _artifacts[name] = events[0].data["artifact_digest"]
        return _artifacts[name]

    return compile_


@pytest.fixture
def recovery(request: pytest.FixtureRequest) -> Iterator[Recovery]:
    """Call it when the fault strikes: the seconds from then to the end of the test are a property of its report."""
    struck: list[float] = []
    yield lambda: struck.append(time.monotonic())
    if struck:
        request.node.user_properties.append((RECOVERY, round(time.monotonic() - struck[0], 1)))
