"""`floe mcp` before a real Cube with floe's policies: callers of different roles see, and get, different things."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import duckdb
import httpx2
import pytest
from access_product import CLAIM, OWNERS, bundle, statements  # found by the path that conftest.py adds
from bundle_server import served_cube
from cube_home import CubeHome
from cube_server import CubeServer
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent
from served_example import ServedExample
from tokens import token

FLOE = str(Path(sys.executable).with_name("floe"))
CLERK = {CLAIM: OWNERS[0]}
FINANCE = {CLAIM: OWNERS[0], "roles": ["finance"]}
PRIVACY = {CLAIM: OWNERS[0], "roles": ["data-owner"]}
OTHER = {CLAIM: OWNERS[1], "roles": ["finance"]}
REVENUE = {"measures": ["board.revenue"]}
EMAILS = {"dimensions": ["board.customers_email"], "order": [{"member": "board.customers_email"}]}


@pytest.fixture(scope="module")
def cube(cube_home: CubeHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CubeServer]:
    """A Cube that serves what floe renders for `prod`."""
    folder = tmp_path_factory.mktemp("mcp")
    database = folder / "warehouse.duckdb"
    with duckdb.connect(database, config={"storage_compatibility_version": "v1.4.0"}) as connection:
        for statement in statements():
            connection.execute(statement)
    rendered = bundle("prod")
    environment = {"CUBEJS_DB_DUCKDB_DATABASE_PATH": str(database)}
    served = served_cube(
        cube_home,
        folder / "cube",
        rendered.files,
        roles=rendered.roles,
        claims=rendered.claims,
        environment=environment,
    )
    with served as (running, _):
        yield running


@pytest.fixture(scope="module")
def address(cube: CubeServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`floe mcp --http` before it."""
    log = tmp_path_factory.mktemp("floe") / "log"
    command = [FLOE, "mcp", "--http", "127.0.0.1:0", "--cube-url", cube.url]
    with log.open("wb") as errors, subprocess.Popen(command, env=os.environ, stderr=errors) as process:
        try:
            found = cube.eventually(lambda: re.search(r'"address": "([^"]+)"', log.read_text()), "floe mcp serves")
            yield found[1]
        finally:
            process.terminate()


@asynccontextmanager
async def over_http(address: str, claims: dict[str, Any]) -> AsyncIterator[Client]:
    own = httpx2.AsyncClient(headers={"Authorization": f"Bearer {token(claims)}"}, timeout=120)
    async with Client(streamable_http_client(address, http_client=own)) as client:
        yield client


async def answer(client: Client, tool: str, **arguments: Any) -> Any:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.structured_content


async def refusal(client: Client, tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result.structured_content
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


async def test_two_callers_see_different_members(address: str) -> None:
    async with over_http(address, CLERK) as clerk, over_http(address, FINANCE) as finance:
        members = []
        for client in (clerk, finance):
            listed = await answer(client, "list")
            assert [item["kind"] for item in listed["entities"]][:1] == ["view"]
            described = await answer(client, "describe", name="board")
            members.append({item["name"] for item in described["members"]})
            text = (await client.read_resource("cube://meta/board")).contents[0]
            assert {item["name"] for item in json.loads(getattr(text, "text", ""))["members"]} == members[-1]
        assert members[0] < members[1]
        assert {"board.revenue", "board.amount", "board.twice"} <= members[1] - members[0]
        assert "FLOE-MCP-003" in await refusal(clerk, "query", **REVENUE)
        assert "revenue" not in (await refusal(clerk, "query", measures=["board.revenu"])).replace("board.revenu'", "")
        # The cube behind the view shows null, and says that it does.
        behind = await answer(clerk, "query", measures=["orders.revenue"])
        assert {tuple(row) for row in behind["rows"]} == {(None,)}
        assert behind["masked"] == ["orders.revenue"]
        assert (await answer(finance, "query", **REVENUE))["rows"] == [["1212"]]


async def test_rows_of_others_are_not_there_and_values_are_masked(address: str) -> None:
    async with (
        over_http(address, CLERK) as clerk,
        over_http(address, PRIVACY) as privacy,
        over_http(address, OTHER) as other,
    ):
        hidden = await answer(clerk, "query", **EMAILS)
        assert (hidden["rows"], hidden["masked"]) == ([["[masked]"]], ["board.customers_email"])
        assert "board.brand" in hidden["limited_by"]
        shown = await answer(privacy, "query", **EMAILS)
        assert shown["rows"] == [["ann@acme.test"], ["bob@acme.test"], ["eve@acme.test"]]
        assert shown["masked"] == []
        assert (await answer(other, "query", **REVENUE))["rows"] == [["912"]]


async def test_sql_is_explained_and_not_run(address: str) -> None:
    async with over_http(address, CLERK) as clerk:
        explained = await answer(clerk, "explain", **EMAILS)
        assert explained["masked"] == ["board.customers_email"]
        assert OWNERS[0] in explained["parameters"]
        assert "'[masked]'" in explained["sql"]
        assert "email" not in explained["sql"].replace("customers_email", "")
        denied = await answer(clerk, "explain", **REVENUE)
        assert (denied["sql"], denied["denied"]) == (None, "'board.revenue' is no member that you may see")


async def test_a_whole_query_and_its_pages(address: str) -> None:
    async with over_http(address, FINANCE) as client:
        found, offset = [], 0
        while offset is not None:
            part = await answer(
                client,
                "query",
                measures=["board.revenue"],
                dimensions=["board.status"],
                time_dimensions=[
                    {
                        "dimension": "board.ordered_at",
                        "granularity": "day",
                        "date_range": ["2026-01-01", "2026-01-31"],
                    }
                ],
                filters=[
                    {
                        "or": [
                            {"member": "board.status", "operator": "equals", "values": ["paid"]},
                            {"member": "board.amount", "operator": "gt", "values": [200]},
                        ]
                    },
                    {"member": "board.revenue", "operator": "gte", "values": [100]},
                ],
                order=[{"member": "board.ordered_at"}, {"member": "board.status", "direction": "desc"}],
                limit=1,
                offset=offset,
                timezone="Europe/Oslo",
            )
            found += part["rows"]
            offset = part["next_offset"]
    assert found == [
        ["paid", "2026-01-01T00:00:00.000", "101"],
        ["paid", "2026-01-02T00:00:00.000", "307"],
        ["open", "2026-01-02T00:00:00.000", "203"],
    ]


async def test_a_token_is_looked_at_by_cube(address: str, cube: CubeServer) -> None:
    forged = httpx2.AsyncClient(headers={"Authorization": f"Bearer {token(FINANCE, secret='another')}"})
    async with Client(streamable_http_client(address, http_client=forged)) as client:
        assert "FLOE-MCP-002" in await refusal(client, "list")
    async with over_http(address, {"roles": ["finance"]}) as nobody:
        told = await refusal(nobody, "query", **REVENUE)
        assert "FLOE-MCP-002" in told
        assert CLAIM in told


async def test_over_stdio(cube: CubeServer) -> None:
    environment = {**os.environ, "FLOE_CUBE_API_TOKEN": token(FINANCE), "FLOE_MCP_CUBE_URL": cube.url}
    async with Client(stdio_client(StdioServerParameters(command=FLOE, args=["mcp"], env=environment))) as client:
        assert (await answer(client, "query", **REVENUE))["rows"] == [["1212"]]
        traced = await answer(client, "lineage", member="board.average_order")
    assert traced["model"] == "model.shop.orders"
    assert traced["defined_by"] == ["metric.shop.average_order", "model.shop.orders", "exposure.shop.board"]
    assert set(traced["columns"]) == {"amount", "customer_id"}
    assert (traced["source"], traced["upstream"]) == ("cube", [])


async def test_what_the_database_says_is_told(cube: CubeServer, address: str) -> None:
    async with over_http(address, FINANCE) as client:
        wrong = {"member": "board.ordered_at", "operator": "inDateRange", "values": ["no day"]}
        told = await refusal(client, "query", measures=["board.count"], filters=[wrong])
    assert "FLOE-MCP-004" in told


async def test_the_graph_of_what_ran_tells_what_a_member_is_made_of(example: ServedExample) -> None:
    (gateway,) = re.findall(r"^gateway\s+(\S+)", example.stack.said.read_text(), re.MULTILINE)
    settings = {
        "FLOE_CUBE_API_TOKEN": token({"brand": "aurora"}),
        "FLOE_MCP_CUBE_URL": example.cube.url,
        "FLOE_MCP_LINEAGE_URL": gateway,
        "FLOE_MCP_LINEAGE_ENVIRONMENT": "dev",
    }
    parameters = StdioServerParameters(command=FLOE, args=["mcp"], env={**os.environ, **settings})
    async with Client(stdio_client(parameters)) as client:
        traced = await answer(client, "lineage", member="weekly_revenue_by_brand.net_revenue")
    assert traced["stands_for"] == "fct_orders.net_revenue"
    assert (traced["source"], traced["note"]) == ("cube and lineage", None)
    nearest = traced["upstream"][0]
    assert (nearest["of_dataset"].rpartition(".")[2], nearest["of_field"]) == ("fct_orders", "net_amount")
    farthest = traced["upstream"][-1]
    assert farthest["of_dataset"].rpartition(".")[2] != "fct_orders", traced["upstream"]
