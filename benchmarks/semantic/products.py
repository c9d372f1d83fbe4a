"""Products of any number of models, as the compiler hands them to the semantic service."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests/cube"))

from access_product import artifact as access_artifact

from floe_contracts.artifacts import CompiledArtifacts, CompiledEnvironment
from floe_contracts.nodes import Check, Classification, Column, Exposure, Node, NodeGraph

ENVIRONMENT: Final = "prod"
SCHEMA: Final = "shop"
STAR: Final = 10
"""Models that belong together: the first has facts, the others are joined to it."""
_COLUMNS: Final = (
    ("brand", "varchar", None),
    ("name", "varchar", None),
    ("email", "varchar", "pii"),
    ("city", "varchar", None),
    ("note", "varchar", "secret"),
    ("amount", "decimal(18,2)", "financial"),
    ("tax", "decimal(18,2)", "financial"),
    ("pieces", "bigint", None),
    ("is_new", "boolean", None),
    ("made_on", "date", None),
    ("made_at", "timestamp", None),
)


def artifact(*, policies: bool = True) -> CompiledArtifacts:
    """The product with a row owner and policies for three classifications in `prod`, or without any of them."""
    found = access_artifact()
    kept = {ENVIRONMENT: found.environments[ENVIRONMENT]}
    if policies:
        return found.model_copy(update={"environments": kept})
    serving = found.serving.model_copy(update={"row_owner": None})
    open_to_all: dict[str, CompiledEnvironment] = {
        name: environment.model_copy(update={"policies": {}}) for name, environment in kept.items()
    }
    return found.model_copy(update={"serving": serving, "environments": open_to_all})


def graph(models: int) -> NodeGraph:
    """So many models: stars of ten, each with a semantic model, three metrics and an exposure."""
    stars = range(0, models, STAR)
    return NodeGraph(
        project="shop",
        nodes=tuple(_node(number, models) for number in range(models)),
        checks=(),
        exposures=tuple(_exposure(first, models) for first in stars),
        semantic_models=tuple(_semantic_model(first) for first in stars),
        metrics=tuple(metric for first in stars for metric in _metrics(first)),
    )


def _joined(first: int, models: int) -> range:
    return range(first + 1, min(first + STAR, models))


def _node(number: int, models: int) -> Node:
    name = f"model_{number}"
    targets = _joined(number, models) if number % STAR == 0 else ()
    keys = [Column(name=f"model_{target}_id", data_type="bigint") for target in targets]
    return Node(
        unique_id=f"model.shop.{name}",
        name=name,
        resource_type="model",
        materialized="table",
        database="warehouse",
        schema_name=SCHEMA,
        identifier=name,
        path=f"models/{name}.sql",
        description=f"What the shop knows of {name}, {{braces}} and `ticks` too.",
        expose=True,
        primary_key=(f"{name}_id",),
        checks=tuple(
            Check(
                unique_id=f"test.shop.relationships_{name}_{target}",
                name="relationships",
                column=f"model_{target}_id",
                to_node=f"model.shop.model_{target}",
                to_column=f"model_{target}_id",
            )
            for target in targets
        ),
        columns=(
            Column(name=f"{name}_id", data_type="bigint"),
            *keys,
            *(
                Column(
                    name=column,
                    data_type=data_type,
                    description=f"The {column} of {name}.",
                    classification=Classification(classification=classification) if classification else None,
                )
                for column, data_type, classification in _COLUMNS
            ),
        ),
    )


def _exposure(first: int, models: int) -> Exposure:
    used = (first, *_joined(first, models))[:4]
    return Exposure(
        unique_id=f"exposure.shop.board_{first}",
        name=f"board_{first}",
        type="dashboard",
        depends_on=tuple(f"model.shop.model_{number}" for number in used),
    )


def _semantic_model(first: int) -> dict[str, Any]:
    name = f"model_{first}"
    return {
        "unique_id": f"semantic_model.shop.{name}",
        "name": name,
        "depends_on": {"nodes": [f"model.shop.{name}"]},
        "defaults": {"agg_time_dimension": "made_at"},
        "entities": [{"name": name, "type": "primary", "expr": f"{name}_id"}],
        "dimensions": [{"name": "made_at", "type": "time", "type_params": {"time_granularity": "day"}}],
        "measures": [
            {"name": f"total_{first}", "agg": "sum", "expr": "amount"},
            {"name": f"pieces_{first}", "agg": "sum", "expr": "pieces"},
        ],
    }


def _metrics(first: int) -> list[dict[str, Any]]:
    def metric(name: str, kind: str, **parameters: Any) -> dict[str, Any]:
        named = f"{name}_{first}"
        return {"unique_id": f"metric.shop.{named}", "name": named, "type": kind, "type_params": parameters}

    return [
        metric("revenue", "simple", measure={"name": f"total_{first}"}),
        metric("sold", "simple", measure={"name": f"pieces_{first}"}),
        metric("price", "ratio", numerator={"name": f"revenue_{first}"}, denominator={"name": f"sold_{first}"}),
    ]
