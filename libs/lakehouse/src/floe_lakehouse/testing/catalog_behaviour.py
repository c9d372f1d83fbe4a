"""What every catalog that floe opens does alike, written once; inherit it, say how yours is opened, and pytest runs it.

    class TestOurServer(CatalogBehaviour):
        @pytest.fixture
        def properties(self):
            return {"type": "rest", "uri": ..., "warehouse": ...}

Each test works in a namespace of its own, so that a server may outlive any number of runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from floe_lakehouse.testing.lake_under_test import LakeUnderTest
from floe_lakehouse.testing.landing_behaviour import LandingBehaviour
from floe_lakehouse.testing.maintenance_behaviour import MaintenanceBehaviour
from floe_lakehouse.testing.namespace_behaviour import NamespaceBehaviour
from floe_lakehouse.testing.table_behaviour import TableBehaviour


class CatalogBehaviour(NamespaceBehaviour, LandingBehaviour, TableBehaviour, MaintenanceBehaviour):
    """The suite."""

    @pytest.fixture
    def properties(self) -> Mapping[str, str]:
        """What `open_catalog` takes."""
        raise NotImplementedError

    @pytest.fixture
    def lake(self, properties: Mapping[str, str], tmp_path: Path) -> LakeUnderTest:
        """The catalog, and a product in it."""
        return LakeUnderTest(properties, tmp_path)
