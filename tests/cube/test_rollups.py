"""Saved queries that Cube keeps computed: the same rows for everybody as without, whoever built them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from access_product import CLAIM, artifact, graph, statements  # found by the path that conftest.py adds
from bundle_server import served_cube
from cube_client import CubeAnswer
from cube_home import CubeHome
from cube_server import CubeServer

from floe_chassis.testing_postgres import PostgresDatabase, postgres_database, postgres_server
from floe_contracts.artifacts import Compute
from floe_contracts.compiled_product import CompiledPreAggregations
from floe_semantic.core.rendering.render import Bundle, render

__all__ = ["postgres_database", "postgres_server"]

IN_THE_WAREHOUSE: Final = CompiledPreAggregations(
    refresh_schedule="0 6 * * *", timezone="Europe/Berlin", external=False
)
QUERIES: Final[Mapping[str, dict[str, Any]]] = {
    "monthly": {
        "measures": ["monthly.revenue_"],
        "dimensions": ["monthly.status"],
        "timeDimensions": [{"dimension": "monthly.ordered_at", "granularity": "month"}],
    },
    "distinct": {"measures": ["monthly.orders_"], "dimensions": ["monthly.status"]},
    "by_segment": {"measures": ["by_segment.revenue_"], "dimensions": ["by_segment.customers_segment"]},
}
OWNERS: Final = ("acme", "globex", "undefined", "nobody")
COUNTING: Final = ("distinct",)
"""Distinct counts cannot be put together from those of other groups, so they are asked of the tables."""


def made(settings: CompiledPreAggregations | None) -> Bundle:
    """What floe renders for the environment where everybody sees what orders bring."""
    product = artifact()
    serving = product.serving.model_copy(update={"pre_aggregations": settings})
    parameters = {
        "monthly": (["revenue_", "orders_"], ["metric_time__month", "Dimension('order__status')"]),
        "by_segment": (["revenue_"], ["Dimension('customer__segment')"]),
    }
    saved = tuple(
        {
            "unique_id": f"saved_query.shop.{name}",
            "name": name,
            "query_params": {"metrics": metrics, "group_by": group_by, "where": None},
        }
        for name, (metrics, group_by) in parameters.items()
    )
    more = {"orders": "status", "customers": "segment"}
    models = tuple(
        {**model, "dimensions": [*model["dimensions"], {"name": more[model["name"]], "type": "categorical"}]}
        if model["name"] in more
        else model
        for model in graph().semantic_models
    )
    nodes = graph().model_copy(update={"saved_queries": saved, "semantic_models": models})
    compute = Compute(name="postgres", type="postgres", threads=1)
    environment = product.environments["dev"].model_copy(update={"compute": compute})
    return render(product.model_copy(update={"serving": serving, "environments": {"dev": environment}}), nodes, "dev")


@pytest.fixture
def postgres_warehouse(postgres_database: PostgresDatabase) -> dict[str, str]:
    postgres_database.run(";".join(statements()))
    return {
        "CUBEJS_DB_TYPE": "postgres",
        "CUBEJS_DB_HOST": postgres_database.host,
        "CUBEJS_DB_PORT": str(postgres_database.port),
        "CUBEJS_DB_NAME": postgres_database.name,
        "CUBEJS_DB_USER": postgres_database.user,
        "CUBEJS_DB_PASS": postgres_database.password,
    }


def test_a_rollup_shows_everybody_what_the_tables_show_him(
    cube_home: CubeHome, tmp_path: Path, postgres_warehouse: dict[str, str]
) -> None:
    direct, kept = made(None), made(IN_THE_WAREHOUSE)
    # In production a refresh worker builds them; here whoever asks first.
    settings = {**postgres_warehouse, "CUBEJS_PRE_AGGREGATIONS_BUILDER": "true"}
    folder = tmp_path / "cube"
    with served_cube(
        cube_home, folder, direct.files, roles=direct.roles, claims=direct.claims, environment=settings
    ) as (cube, bundles):
        asked = {name: answers(cube, query) for name, query in QUERIES.items()}
        digest = bundles.offer(kept.files, roles=kept.roles, claims=kept.claims)
        cube.eventually(lambda: bundles.is_served(digest), "the rollups are served")
        for name, query in QUERIES.items():
            found = answers(cube, query)
            assert {owner: rows(answer) for owner, answer in found.items()} == {
                owner: rows(answer) for owner, answer in asked[name].items()
            }
            used = {bool(answer.body.get("usedPreAggregations")) for answer in found.values()}
            assert used == {name not in COUNTING}


def answers(cube: CubeServer, query: dict[str, Any]) -> dict[str, CubeAnswer]:
    """What each row owner is told."""
    return {owner: cube.client({CLAIM: owner}).load(query) for owner in OWNERS}


def rows(answer: CubeAnswer) -> list[str]:
    """The rows of an answer in an order of their own; numbers as numbers, since databases spell them differently."""
    return sorted(
        str({name: float(value) if "orders_" in name or "revenue_" in name else value for name, value in row.items()})
        for row in answer.data
    )
