"""Parts of a manifest as dbt writes them, and how tests make, render and read the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.nodes import Node, NodeGraph
from floe_semantic.core.rendering.render import Bundle

MakeArtifact = Callable[..., CompiledArtifacts]
MakeNode = Callable[..., Node]
MakeGraph = Callable[..., NodeGraph]
Parse = Callable[[Bundle, str], dict[str, Any]]


def model(node: str, name: str = "m", **parts: Any) -> dict[str, Any]:
    """A semantic model over one of the shop's models."""
    depends_on = {"nodes": [f"model.shop.{node}"]}
    return {"unique_id": f"semantic_model.shop.{name}", "name": name, "depends_on": depends_on, **parts}


def metric(name: str, kind: str, parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"unique_id": f"metric.shop.{name}", "name": name, "type": kind, "type_params": parameters, **more}


def where(condition: str) -> dict[str, Any]:
    """The filter of a metric."""
    return {"where_filters": [{"where_sql_template": condition}]}


def members(document: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """The dimensions, measures or joins of a rendered cube, by their names."""
    return {member["name"]: member for member in document[kind]}
