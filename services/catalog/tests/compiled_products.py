"""Compiled products, as the compiler announces them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.events import ArtifactCompiled
from floe_contracts.nodes import Column, Node, NodeGraph, NodeLanding

PRODUCT: Final = "shop-orders"
ANY_DIGEST: Final = "sha256:" + "a" * 64
LOCAL: Final[dict[str, Any]] = {
    "compute": {"name": "duckdb", "type": "duckdb", "threads": 2, "properties": {"memory_limit": "1GB"}},
    "storage": {"name": "local", "type": "local"},
    "catalog": {"name": "local", "type": "sql"},
}


def declared_node(
    name: str, *columns: str, enforced: bool = True, partition_by: tuple[str, ...] = (), **more: Any
) -> Node:
    """A table of a project: columns are written as `name: type`; `enforced` has dbt hold it to them."""
    declared = (column.partition(": ") for column in columns)
    return Node(
        unique_id=f"model.shop.{name}",
        name=name,
        resource_type="model",
        materialized="table",
        database="shop",
        schema_name="main",
        identifier=name,
        path=f"models/{name}.sql",
        columns=tuple(Column(name=column, data_type=kind or None) for column, _, kind in declared),
        contract_enforced=enforced,
        landing=NodeLanding(partition_by=partition_by) if partition_by else None,
        **more,
    )


def compiled_event(
    store: Callable[[bytes], str],
    profile: Mapping[str, Any],
    nodes: tuple[Node, ...],
    *,
    owner: str,
    version: str,
    product: str = PRODUCT,
    prod: Mapping[str, Any] | None = None,
    **event: Any,
) -> ArtifactCompiled:
    """A product that was compiled for `dev` (any ref) and `prod` (main); what it names is in the blob store.

    Args:
        store: puts a blob into the store.
        profile: compute, storage and catalog of both environments.
        nodes: what it builds.
        owner: of the product.
        version: of the product.
        product: its name.
        prod: what is different in `prod`.
        event: fields of the event.
    """
    graph = store(NodeGraph(project="shop", nodes=nodes, checks=()).model_dump_json().encode())
    place = {"policies": {}, "manifest": ANY_DIGEST, "nodes": graph, **profile}
    artifact = CompiledArtifacts.model_validate(
        {
            "product": {"name": product, "version": version, "description": "", "owner": owner, "labels": {}},
            "sources": {"bundle": ANY_DIGEST, "platform": ANY_DIGEST},
            "tools": {"dbt_core": "1.11.16", "adapters": {"duckdb": "1.11.1"}},
            "transforms": [{"path": "dbt"}],
            "landing": ["table"],
            "serving": {"cube": True},
            "environments": {"dev": {**place, "refs": ["*"]}, "prod": {**place, "refs": ["main"], **(prod or {})}},
        }
    )
    return ArtifactCompiled(
        tenant="default",
        product=product,
        submission="s",
        artifact_digest=store(artifact.to_bytes()),
        artifact=artifact.to_document(),
        seconds=1.0,
        **event,
    )
