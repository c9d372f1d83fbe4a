"""For all tests: the same hypothesis examples in every run, no deadlines for them, and logs as they come."""

import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "floe",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("floe")


@pytest.fixture(autouse=True)
def default_logs() -> Iterator[None]:
    """A test that sets logs up, as a command run in process does, leaves none of it to the next one."""
    yield
    if structlog := sys.modules.get("structlog"):
        structlog.reset_defaults()
