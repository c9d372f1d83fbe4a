"""The job that builds a product: one step, whose body is handed in."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` as it stands.

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import dagster

from floe_contracts.openlineage.naming import Place
from floe_executor.adapters.dagster_graph.assets import ProductAssets, product_assets
from floe_executor.adapters.dagster_graph.product_definition import ProductDefinition

LOCATION: Final = "floe"
"""Name of the code location that has all products."""

Body = Callable[[dagster.AssetExecutionContext], None]


def job_name(place: Place) -> str:
    """The name of a place's job: readable, and no other place has it."""
    parts = (place.tenant, place.environment, place.product)
    readable = "__".join(re.sub(r"[^A-Za-z0-9_]", "_", part.replace("-", "_")) for part in parts)
    if all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", part) for part in parts):
        return readable
    return f"{readable}__{hashlib.sha256(str(place).encode()).hexdigest()[:8]}"


def step_name(job: str) -> str:
    """The name of the step in a job that builds."""
    return f"{job}__build"


def pool_name(place: Place, compute: str) -> str | None:
    """The pool of the place's DuckDB file; other warehouses take several writers."""
    return f"duckdb/{job_name(place)}" if compute == "duckdb" else None


def product_parts(product: ProductDefinition, body: Body) -> tuple[ProductAssets, list[Any], Any]:
    """The assets of a product, what `Definitions` takes of them, and the unresolved job that builds them.

    The step yields nothing to Dagster's engine, which would store some ten events a node one by one: its body records
    what was built.
    """
    shown = product_assets(product)
    name = job_name(product.place)
    built = {spec.key for spec in shown.built}
    checks = [spec for spec in shown.checks.values() if spec.asset_key in built]
    of_sources = [spec for spec in shown.checks.values() if spec.asset_key not in built]
    made: list[Any] = list(shown.sources)
    if shown.built:

        @dagster.multi_asset(
            name=step_name(name),
            specs=shown.built,
            check_specs=checks,
            can_subset=True,
            pool=pool_name(product.place, product.compute),
            description=product.description or None,
        )
        def build(context: dagster.AssetExecutionContext) -> Iterator[Any]:
            body(context)
            yield from ()

        made.append(build)
    if of_sources:

        @dagster.multi_asset_check(name=f"{name}__test_sources", specs=of_sources, can_subset=True)
        def check_sources() -> Iterator[Any]:
            yield from ()

        made.append(check_sources)
    selection: dagster.AssetSelection = dagster.AssetSelection.assets(*built)
    if of_sources:
        selection |= dagster.AssetSelection.checks(*(spec.key for spec in of_sources))
    job = dagster.define_asset_job(name, selection=selection, tags={"floe/product": product.product})
    return shown, made, job


def resolved_job(product: ProductDefinition, body: Body) -> tuple[ProductAssets, dagster.JobDefinition]:
    """The job of a product by itself, to be run in this process."""
    shown, made, job = product_parts(product, body)
    definitions = dagster.Definitions(assets=made, jobs=[job], executor=dagster.in_process_executor)
    return shown, definitions.resolve_job_def(job_name(product.place))
