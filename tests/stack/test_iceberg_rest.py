"""Apache Iceberg's own REST server, the protocol's reference, does what every catalog does."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from servers import CatalogServer

from floe_lakehouse.testing.catalog_behaviour import CatalogBehaviour


class TestIcebergRest(CatalogBehaviour):
    @pytest.fixture
    def properties(self, iceberg_rest_server: CatalogServer) -> Mapping[str, str]:
        return {
            "type": "rest",
            "uri": iceberg_rest_server.uri,
            "warehouse": iceberg_rest_server.warehouse,
            **iceberg_rest_server.store.properties,
        }
