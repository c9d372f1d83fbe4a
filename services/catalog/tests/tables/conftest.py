"""A catalog service that looks often, and products that have declared tables."""

from __future__ import annotations

import pytest


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """The environment of a catalog service that compares tables with what was told several times a second."""
    return environment | {"FLOE_CATALOG_RECONCILE_SECONDS": "0.3"}
