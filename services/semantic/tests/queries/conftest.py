"""Queries as Cube tells of them, and the bundle of the shop that served them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import pytest

from floe_contracts.digests import digest_of
from floe_contracts.nodes import NodeGraph
from floe_contracts.openlineage.naming import Place
from floe_semantic.core.queries.records import QueryRecord
from floe_semantic.core.queries.relations import relations_of
from floe_semantic.core.queries.served_members import read_cube, read_view
from floe_semantic.core.queries.uses import ServedBundle
from floe_semantic.core.rendering.render import render

_VALIDATOR = Path(__file__).parents[4] / "libs" / "contracts" / "tests" / "conftest.py"
BUNDLE_DIGEST = digest_of(b"bundle of the shop")
ARTIFACT_DIGEST = digest_of(b"artifact of the shop")
PLACE = Place("default", "prod", "shop")

MakeEvent: TypeAlias = Callable[..., dict[str, Any]]
MakeRecord: TypeAlias = Callable[..., QueryRecord]


class Schemas(Protocol):
    def problems(self, event: dict[str, Any]) -> list[str]: ...


@pytest.fixture(scope="session")
def openlineage() -> Schemas:
    """The strict validator of the contracts' tests."""
    specification = importlib.util.spec_from_file_location("floe_contracts_tests_conftest", _VALIDATOR)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    schemas: Schemas = module.OpenLineageSchemas()
    return schemas


@pytest.fixture
def make_event() -> MakeEvent:
    """What Cube tells of a query of orders: revenue of each status, where the owner is right."""

    def make(**changes: Any) -> dict[str, Any]:
        return {
            "kind": "succeeded",
            "request": "72c9edc3-061c-4022-b6ed-3a1be6173d28",
            "started_at": "2026-11-21T19:11:29.100Z",
            "at": "2026-11-21T19:11:29.131Z",
            "announced": False,
            "api": "rest",
            "bundle_digest": BUNDLE_DIGEST,
            "queries": [{"measures": ["orders.revenue"], "dimensions": ["orders.status"]}],
            "members": ["orders.revenue", "orders.status", "orders.brand"],
            "shown": ["orders.status", "orders.revenue"],
            "filtered": ["orders.brand"],
            "masked": [],
            "denied": [],
            "sql": ['SELECT sum("orders".amount) FROM main.orders AS "orders" WHERE ("orders".brand = ?)'],
            "pre_aggregations": [],
            "cached": False,
            "user": "ann@example.com",
            "row_owners": {"brand": "acme"},
            "error": None,
            **changes,
        }

    return make


@pytest.fixture
def make_record(make_event: MakeEvent) -> MakeRecord:
    """The same, read."""
    return lambda **changes: QueryRecord.model_validate(make_event(**changes))


@pytest.fixture
def served_bundle(shop: NodeGraph, make_artifact: Callable[..., Any]) -> ServedBundle:
    """The bundle of the shop, as it is read to tell of queries."""
    artifact = make_artifact(prod={"pii": ("mask", ("data_owner",))})
    bundle = render(artifact, shop, "prod")
    return ServedBundle(
        artifact_digest=ARTIFACT_DIGEST,
        cubes={name: read_cube(bundle.files[f"model/cubes/{name}.yml"]) for name in bundle.cubes},
        views={name: read_view(bundle.files[f"model/views/{name}.yml"]) for name in bundle.views},
        relations=relations_of(PLACE, artifact.environments["prod"], shop),
        dialect="duckdb",
    )
