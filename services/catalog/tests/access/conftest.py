"""A product that has its tables in a catalog of Polaris."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog.sql import SqlCatalog

from floe_catalog.access.granting import Administration, grants
from floe_catalog.adapters.polaris_access import PolarisAccess
from floe_catalog.core.declared_tables import declared_tables
from floe_catalog.tables.products import Product
from floe_catalog.testing.polaris_server import Polaris, serving_polaris
from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.catalog_access import GrantsAnswer, GrantsRequest
from floe_contracts.nodes import NodeGraph
from floe_contracts.openlineage.naming import Place

DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def polaris(tmp_path: Path) -> Iterator[Polaris]:
    """A running server with one catalog, `lake`."""
    catalog = SqlCatalog("lake", uri=f"sqlite:///{tmp_path}/polaris.db", warehouse=f"file://{tmp_path}/polaris")
    with serving_polaris(catalog) as server:
        yield server


@pytest.fixture
def product(polaris: Polaris) -> Callable[..., Product]:
    """A product whose catalog is on that server."""
    return lambda **changed: _compiled_product(f"{polaris.url}/api/catalog", **changed)


@pytest.fixture
def compiled_product() -> Callable[..., Product]:
    """A product whose catalog is on a server of that address."""
    return _compiled_product


@pytest.fixture
def administration(polaris: Polaris) -> Administration:
    """What the service may administer: that server."""
    return Administration(polaris.server, lambda tenant: lambda name: f"{tenant}/{name}", PolarisAccess)


@pytest.fixture
def ask(administration: Administration) -> Callable[..., GrantsAnswer]:
    """Asks about a product."""

    def run(product: Product, *, administration: Administration = administration, **asked: Any) -> GrantsAnswer:
        request = GrantsRequest.model_validate({"product": product.place.product, "apply": False, **asked})
        return grants(request, product, administration)

    return run


def _compiled_product(
    uri: str,
    *,
    product: str = "orders",
    tenant: str = "acme",
    compute: str = "postgres",
    cube: bool = True,
    catalog: dict[str, Any] | None = None,
    schemas: tuple[str, ...] = ("marts",),
    database: str = "shop",
) -> Product:
    """A product with a table in each of `schemas`; the catalog is `lake` of Polaris at `uri` unless `catalog` is."""
    registered = catalog or {"type": "polaris", "properties": {"uri": uri, "warehouse": "lake"}}
    environment = {
        "refs": ["*"],
        "compute": {"name": "warehouse", "type": compute, "threads": 2},
        "storage": {"name": "lake", "type": "s3", "properties": {"bucket": "lake"}},
        "catalog": {"name": "polaris", **registered},
        "policies": {},
        "manifest": DIGEST,
        "nodes": DIGEST,
    }
    artifact = CompiledArtifacts.model_validate(
        {
            "product": {"name": product, "version": "1.0.0", "description": "", "owner": "shop@acme", "labels": {}},
            "sources": {"bundle": DIGEST, "platform": DIGEST},
            "tools": {"dbt_core": "1.11.16", "adapters": {}},
            "transforms": [{"path": "dbt"}],
            "landing": ["table"],
            "serving": {"cube": cube},
            "environments": {"prod": environment},
        }
    )
    graph = NodeGraph.model_validate(
        {
            "project": "shop",
            "checks": [],
            "nodes": [
                {
                    "unique_id": f"model.shop.{schema}",
                    "name": schema,
                    "resource_type": "model",
                    "materialized": "table",
                    "database": database,
                    "schema_name": schema,
                    "identifier": "orders",
                    "path": f"models/{schema}.sql",
                }
                for schema in schemas
            ],
        }
    )
    place, compiled = Place(tenant, "prod", product), artifact.environments["prod"]
    tables = declared_tables(place, artifact, compiled, graph)
    return Product(place, artifact.digest(), artifact, compiled, tables, types={})
