"""A real Feast and a stack that forwards its lineage there. `make test-receivers` installs Feast."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

_HERE = Path(__file__).parent
sys.path[:0] = [str(_HERE), str(_HERE.parent / "e2e")]

from feast_server import FEAST, KEY, FeastServer  # noqa: E402 - found by the path above
from products import platform  # noqa: E402
from running_stack import RunningStack  # noqa: E402


@pytest.fixture(scope="module")
def feast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeastServer]:
    """Started by its first test; every other one finds it running."""
    if not FEAST.exists():
        pytest.skip("Feast is not installed: `make test-receivers` installs it (500 MB) and runs these tests")
    server = FeastServer(tmp_path_factory.mktemp("feast"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def stack(feast: FeastServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """`floe up` with Feast as a backend, told as docs/how-to/send-lineage-to-a-backend.md has it."""
    folder = tmp_path_factory.mktemp("stack")
    platform = folder / "platform.yaml"
    platform.write_text(yaml.safe_dump(_platform(feast.url)))
    running = RunningStack(folder, {"FLOE_LINEAGE_PLATFORM_FILE": str(platform), "FEAST_KEY": KEY})
    yield running
    running.stop()


def _platform(url: str) -> dict[str, Any]:
    return platform() | {
        "observability": {
            "lineage": {
                "feast": {
                    "type": "http",
                    "url": url,
                    "apiKey": {"secretRef": "feast-key"},
                    "forwarding": {"jobEvents": "as-runs", "dropFacets": {"dataset": ["dataSource"]}},
                }
            }
        }
    }
