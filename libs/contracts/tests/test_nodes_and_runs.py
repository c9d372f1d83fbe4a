"""Documents that are stored beside the bus: the NodeGraph blob, and the record of a run in its bucket."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_contracts.errors import ContractError
from floe_contracts.nodes import NodeGraph
from floe_contracts.openlineage.naming import Place
from floe_contracts.runs import RunRecord, RunStatus, place_key, run_key

NODE = {
    "unique_id": "model.orders.fct_orders",
    "name": "fct_orders",
    "resource_type": "model",
    "materialized": "table",
    "database": "warehouse",
    "schema_name": "main",
    "identifier": "fct_orders",
    "path": "models/fct_orders.sql",
    "columns": [{"name": "email", "classification": {"classification": "pii"}}],
}
GRAPH: dict[str, Any] = {"version": "1.0", "project": "orders", "nodes": [NODE], "checks": []}
RECORD: dict[str, Any] = {
    "version": "1.0",
    "run_id": "r1",
    "tenant": "acme",
    "environment": "prod",
    "product": "orders",
    "artifact_digest": "sha256:" + "0" * 64,
    "status": "queued",
    "cause": "c1",
    "requested_at": "2026-11-20T09:30:15Z",
}


def test_a_node_is_found_by_its_id() -> None:
    graph = NodeGraph.read(GRAPH)
    found = graph.node("model.orders.fct_orders")
    assert found is not None
    assert found.columns[0].classification is not None
    assert found.columns[0].classification.sensitivity == "medium"
    assert graph.node("model.orders.absent") is None


@pytest.mark.parametrize(("model", "document"), [(NodeGraph, GRAPH), (RunRecord, RECORD)])
def test_a_later_minor_is_read_and_another_major_refused(
    model: type[NodeGraph | RunRecord], document: dict[str, Any]
) -> None:
    later = document | {"version": "1.12", "unknown": 1}
    assert model.read(later).model_dump(exclude={"version"}) == model.read(document).model_dump(exclude={"version"})
    for version in ("2.0", "0.9", "1", "x", None):
        with pytest.raises(ContractError, match="version"):
            model.read(document | {"version": version})


@pytest.mark.parametrize("document", [None, [], "text", {}, GRAPH | {"nodes": [{}]}])
def test_what_is_no_node_graph_is_refused(document: object) -> None:
    with pytest.raises(ContractError):
        NodeGraph.read(document)


def test_a_run_has_ended_when_it_neither_waits_nor_works() -> None:
    assert {status for status in RunStatus if not status.terminal} == {RunStatus.QUEUED, RunStatus.STARTED}
    assert RunRecord.read(RECORD).place == Place("acme", "prod", "orders")


names = st.text(min_size=1, max_size=20)


@given(names, names, names)
def test_keys_of_places_are_keys_that_the_bus_takes(tenant: str, environment: str, product: str) -> None:
    key = run_key(Place(tenant, environment, product), "5a060c56-f15d-54f8-8328-92b504fbf28c")
    assert set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.")
    assert key.count(".") == 3
    assert key.startswith(place_key(Place(tenant, environment, product)) + ".")
