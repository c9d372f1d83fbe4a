"""Where a member comes from, with and without a gateway."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from floe_contracts.lineage_requests import ColumnAnswer, ColumnEdge, GraphNode, NodeField
from floe_semantic.core.mcp.errors import LineageUnavailable
from floe_semantic.mcp.lineage_api import LineageApi

from .conftest import Connect
from .played_cube import BOARD, OWNER, Asked, PlayedCube, PlayedServer
from .test_tools import answer, refusal

READER = "token of a lineage reader"


def told(asked: Asked) -> tuple[int, Any]:
    """What the gateway answers of `orders.amount`: it is made of a seed's column, two steps away, and of a filter."""
    if asked.parameters["field"] != "amount":
        return 404, {"code": "FLOE-LIN-001", "message": f"nothing is known of {asked.parameters['field']}"}
    names = ("orders", "staged", "raw")
    nodes = tuple(
        GraphNode(id=name, kind="dataset", namespace="shop", name=f"main.{name}", distance=number)
        for number, name in enumerate(names)
    )
    edges = (
        ColumnEdge(source="raw", source_field="cents", target="staged", target_field="euro", type="DIRECT"),
        ColumnEdge(source="staged", source_field="euro", target="orders", target_field="amount", type="DIRECT"),
        ColumnEdge(source="staged", source_field="state", target="orders", type="INDIRECT", subtype="FILTER"),
    )
    found = ColumnAnswer(root="orders", field=NodeField(name="amount"), nodes=nodes, edges=edges)
    return 200, found.model_dump(mode="json")


@pytest.fixture
def gateway() -> Iterator[PlayedServer]:
    server = PlayedServer(told)
    yield server
    server.close()


async def test_without_a_gateway_the_model_that_cube_serves_is_told(connect: Connect) -> None:
    async with connect() as client:
        found = await answer(client, "lineage", member="board.revenue")
        assert "FLOE-MCP-003" in await refusal(client, "lineage", member="board.revenu")
        assert "did you mean 'board.revenue'?" in await refusal(client, "lineage", member="board.revenu")
    assert found["stands_for"] == "orders.revenue"
    assert found["model"] == "model.shop.orders"
    assert found["defined_by"] == ["metric.shop.revenue", "model.shop.orders", "exposure.shop.board"]
    assert found["columns"] == ["amount", "tax"]
    assert found["source"] == "cube"
    assert "no gateway is configured" in found["note"]


async def test_the_gateway_tells_what_columns_are_made_of(
    cube: PlayedCube, gateway: PlayedServer, connect: Connect
) -> None:
    board = {**BOARD, "measures": [{**BOARD["measures"][0], "meta": {"floe": {"columns": ["amount"]}}}]}
    cube.cubes[OWNER] = [cube.cubes[OWNER][0], board]
    given = {
        "FLOE_MCP_LINEAGE_URL": gateway.url,
        "FLOE_MCP_LINEAGE_ENVIRONMENT": "prod",
        "FLOE_MCP_LINEAGE_TOKEN": READER,
    }
    async with connect(**given) as client:
        found = await answer(client, "lineage", member="board.revenue")
    assert found["source"] == "cube and lineage"
    assert [(item["dataset"], item["field"], item["of_dataset"], item["of_field"]) for item in found["upstream"]] == [
        ("main.staged", "euro", "main.orders", "amount"),
        ("main.staged", "state", "main.orders", ""),
        ("main.raw", "cents", "main.staged", "euro"),
    ]
    (asked,) = gateway.asked
    assert (asked.path, asked.token) == ("/v1/lineage/column", READER)
    assert asked.parameters == {"dataset": "orders", "field": "amount", "direction": "upstream", "environment": "prod"}


async def test_what_the_gateway_does_not_tell_is_said(gateway: PlayedServer, connect: Connect) -> None:
    async with connect(FLOE_MCP_LINEAGE_URL=gateway.url) as client:
        found = await answer(client, "lineage", member="board.revenue")
        assert (found["source"], found["columns"]) == ("cube and lineage", ["amount", "tax"])
        assert found["note"] == "of tax: the gateway answers 404: nothing is known of tax"
        assert len(found["upstream"]) == 3
        gateway.answer = lambda _: (401, {"code": "FLOE-GW-001", "message": "who are you?"})
        refused = await answer(client, "lineage", member="board.revenue")
        assert (refused["source"], refused["upstream"]) == ("cube", [])
        assert "the gateway answers 401: who are you?" in refused["note"]
        gateway.answer = lambda _: (200, {"hello": "world"})
        assert "is no lineage" in (await answer(client, "lineage", member="board.revenue"))["note"]
        gateway.answer = lambda _: (500, "<html>")
        assert "it does not say why" in (await answer(client, "lineage", member="board.revenue"))["note"]
    assert {asked.token for asked in gateway.asked} == {None}, "the token of Cube is nobody else's"


async def test_a_cube_that_the_caller_does_not_see_is_not_named(
    cube: PlayedCube, gateway: PlayedServer, connect: Connect
) -> None:
    cube.cubes[OWNER] = [BOARD]
    async with connect(FLOE_MCP_LINEAGE_URL=gateway.url) as client:
        found = await answer(client, "lineage", member="board.revenue")
    assert (found["model"], found["source"]) == (None, "cube")
    assert found["defined_by"] == ["metric.shop.revenue", "exposure.shop.board"]
    assert "you may not see the cube behind this view" in found["note"]
    assert gateway.asked == []


async def test_a_gateway_that_is_away_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        async with httpx2.AsyncClient() as client:
            api = LineageApi(client, f"http://127.0.0.1:{taken.getsockname()[1]}", None, 5)
            with pytest.raises(LineageUnavailable, match="does not answer"):
                await api.upstream("orders", "amount", None)
