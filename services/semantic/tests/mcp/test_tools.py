"""What the tools answer, and how they ask Cube."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp_types import TextContent

from .conftest import Connect
from .played_cube import BOARD, CLERK, ORDERS, OWNER, PlayedCube, rows, without

REVENUE = {"measures": ["board.revenue"]}


async def answer(client: Client, tool: str, **arguments: Any) -> Any:
    """What a tool answers; its text says the same as its data."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    (content,) = result.content
    assert isinstance(content, TextContent)
    assert _filled(json.loads(content.text)) == _filled(result.structured_content)
    return result.structured_content


def _filled(value: Any) -> Any:
    """A document without what is empty, which the text leaves out."""
    if isinstance(value, dict):
        return {key: _filled(item) for key, item in value.items() if item not in (None, "", [], False)}
    return [_filled(item) for item in value] if isinstance(value, list) else value


async def refusal(client: Client, tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


async def test_all_tools_say_that_they_only_read_and_what_they_answer(connect: Connect) -> None:
    async with connect() as client:
        tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == ["list", "describe", "query", "explain", "lineage"]
    for tool in tools:
        assert tool.annotations is not None
        assert (tool.annotations.read_only_hint, tool.annotations.destructive_hint) == (True, False)
        assert tool.description
        assert tool.output_schema


async def test_views_come_first_and_a_word_finds_members_too(connect: Connect) -> None:
    async with connect() as client:
        listed = await answer(client, "list")
        assert [(item["name"], item["kind"]) for item in listed["entities"]] == [("board", "view"), ("orders", "cube")]
        assert listed["entities"][0] == {
            "name": "board",
            "kind": "view",
            "title": "Board",
            "description": "Read every morning.",
            "measures": 2,
            "dimensions": 2,
        }
        found = await answer(client, "list", search="who ordered")
        assert [item["name"] for item in found["entities"]] == ["orders"]


async def test_a_long_list_comes_in_parts(cube: PlayedCube, connect: Connect) -> None:
    cube.cubes[OWNER] = [{**ORDERS, "name": f"orders_{number:03}"} for number in range(450)]
    async with connect() as client:
        names, offset = [], 0
        while offset is not None:
            part = await answer(client, "list", offset=offset)
            names += [item["name"] for item in part["entities"]]
            offset = part["next_offset"]
            assert part["total"] == 450
    assert names == [f"orders_{number:03}" for number in range(450)]


async def test_a_description_has_members_types_meaning_and_classification(connect: Connect) -> None:
    async with connect() as client:
        described = await answer(client, "describe", name="orders")
        assert described["dbt_unique_id"] == "model.shop.orders"
        assert described["joins_to"] == ["customers"]
        kinds = {item["name"]: (item["kind"], item["type"]) for item in described["members"]}
        assert kinds == {
            "orders.count": ("measure", "number"),
            "orders.order_id": ("dimension", "number"),
            "orders.email": ("dimension", "string"),
            "orders.large": ("segment", None),
        }
        assert described["members"][2]["classification"] == ["pii"]
        assert "FLOE-MCP-003" in await refusal(client, "describe", name="bord")
        assert "did you mean 'board'?" in await refusal(client, "describe", name="bord")


async def test_a_query_is_translated_whole_and_sent_with_the_callers_token(cube: PlayedCube, connect: Connect) -> None:
    async with connect() as client:
        found = await answer(
            client,
            "query",
            measures=["board.revenue"],
            dimensions=["board.status"],
            time_dimensions=[
                {
                    "dimension": "board.order_date",
                    "granularity": "fiscal_year",
                    "date_range": ["2026-01-01", "2026-12-31"],
                }
            ],
            filters=[
                {"or": [{"member": "board.status", "operator": "equals", "values": ["paid", None, True]}]},
                {"member": "board.revenue", "operator": "gt", "values": [10, 0.5]},
                {"member": "board.status", "operator": "set"},
            ],
            order=[{"member": "board.revenue", "direction": "desc"}, {"member": "board.status"}],
            limit=20,
            offset=40,
            timezone="Europe/Berlin",
        )
    assert cube.posted("load") == [
        {
            "measures": ["board.revenue"],
            "dimensions": ["board.status"],
            "limit": 21,
            "timeDimensions": [
                {
                    "dimension": "board.order_date",
                    "granularity": "fiscal_year",
                    "dateRange": ["2026-01-01", "2026-12-31"],
                }
            ],
            "filters": [
                {"or": [{"member": "board.status", "operator": "equals", "values": ["paid", None, "true"]}]},
                {"member": "board.revenue", "operator": "gt", "values": ["10", "0.5"]},
                {"member": "board.status", "operator": "set"},
            ],
            "order": [["board.revenue", "desc"], ["board.status", "asc"]],
            "offset": 40,
            "timezone": "Europe/Berlin",
        }
    ]
    assert found["columns"] == [{"member": "board.revenue", "title": "Revenue", "type": "number"}]
    assert (found["rows"], found["row_count"], found["cut"]) == ([["10.5"]], 1, None)
    assert {item.token for item in cube.asked} == {OWNER}
    assert {(item.method, item.path) for item in cube.asked} == {
        ("GET", "/cubejs-api/v1/meta"),
        ("POST", "/cubejs-api/v1/load"),
    }


async def test_the_times_of_a_granularity_come_once(cube: PlayedCube, connect: Connect) -> None:
    note = {"shortTitle": "Order Date", "type": "time"}
    loaded = rows([{"board.order_date.day": "2026-01-01T00:00:00.000", "board.order_date": "2026-01-01T00:00:00.000"}])
    loaded["annotation"] = {"timeDimensions": {"board.order_date.day": note, "board.order_date": note}}
    cube.loaded = [(200, loaded)]
    async with connect() as client:
        day = {"dimension": "board.order_date", "granularity": "day"}
        found = await answer(client, "query", time_dimensions=[day])
    assert [column["member"] for column in found["columns"]] == ["board.order_date.day"]
    assert found["rows"] == [["2026-01-01T00:00:00.000"]]


async def test_an_answer_says_that_and_why_it_was_cut(cube: PlayedCube, connect: Connect) -> None:
    cube.loaded = [(200, rows([{"board.revenue": f"{number:05}"} for number in range(6)]))]
    async with connect(FLOE_MCP_ROW_LIMIT=5) as client:
        capped = await answer(client, "query", **REVENUE)
        assert (capped["row_count"], capped["next_offset"]) == (5, 5)
        assert capped["cut"].startswith("an answer has 5 rows at most")
        assert (await answer(client, "query", **REVENUE, limit=9))["cut"] == capped["cut"]
        limited = await answer(client, "query", **REVENUE, limit=3, offset=10)
        assert (limited["row_count"], limited["cut"], limited["next_offset"]) == (3, "the limit of the query is 3", 13)
    assert [query["limit"] for query in cube.posted("load")] == [6, 6, 4]
    # Two rows of 504 characters fit, and a third does not.
    cube.loaded = [(200, rows([{"board.revenue": f"{number:0500}"} for number in range(3)]))]
    async with connect(FLOE_MCP_ANSWER_SIZE=1100) as client:
        small = await answer(client, "query", **REVENUE)
    assert (small["row_count"], small["next_offset"]) == (2, 2)
    assert "larger than 1,100 characters" in small["cut"]


async def test_masked_members_and_limited_rows_are_told(cube: PlayedCube, connect: Connect) -> None:
    added = {"and": [{"member": "board.brand", "operator": "equals", "values": ["acme"]}]}
    own = {"member": "board.status", "operator": "equals", "values": ["paid"]}
    cube.run = {
        "filters": [own, added],
        "maskedMembers": [{"member": "board.revenue"}, {"member": "orders.revenue"}],
    }
    async with connect() as client:
        for tool in ("query", "explain"):
            found = await answer(client, tool, **REVENUE, filters=[own])
            assert (found["masked"], found["limited_by"]) == (["board.revenue"], ["board.brand"])
        assert found["sql"] == "SELECT sum(amount) FROM orders WHERE brand = ?"
        assert found["parameters"] == ["acme"]
        assert cube.posted("load") != []


async def test_a_denied_query_is_an_error_and_has_no_sql(cube: PlayedCube, connect: Connect) -> None:
    cube.run = {"segments": [{"cubeName": "board", "name": "rlsAccessDenied"}]}
    async with connect() as client:
        assert "FLOE-MCP-005" in await refusal(client, "query", **REVENUE)
        explained = await answer(client, "explain", **REVENUE)
        assert (explained["sql"], explained["denied"]) == (None, "no policy grants this query to you")
        hidden = await answer(client, "explain", measures=["board.profit"])
        assert hidden["denied"] == "'board.profit' is no member that you may see"
    assert cube.posted("sql") == []


async def test_a_name_that_is_hidden_reads_as_one_that_is_not_there(cube: PlayedCube, connect: Connect) -> None:
    async with connect(FLOE_CUBE_API_TOKEN=CLERK) as client:
        hidden = await refusal(client, "query", measures=["board.revenue"])
        absent = await refusal(client, "query", measures=["board.revenge"])
        assert hidden.replace("revenue", "revenge") == absent
        assert "did you mean" not in hidden
    assert cube.posted("load") == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param({"measures": ["board.revenu"]}, "did you mean 'board.revenue'?", id="typo"),
        pytest.param({"measures": ["revenue"]}, "did you mean 'board.revenue'?", id="no-entity"),
        pytest.param({"measures": ["bord.revenue"]}, "did you mean 'board.revenue'?", id="typo-of-entity"),
        pytest.param({"measures": ["board.status"]}, "is a dimension: it belongs into dimensions", id="other-kind"),
        pytest.param({"dimensions": ["board.count"]}, "is a measure: it belongs into measures", id="measure"),
        pytest.param(
            {"time_dimensions": [{"dimension": "board.status", "granularity": "day"}]}, "is no time", id="no-time"
        ),
        pytest.param(
            {"time_dimensions": [{"dimension": "board.order_date", "granularity": "daily"}]},
            "no granularity 'daily': it has day, fiscal_year, hour",
            id="granularity",
        ),
        pytest.param({**REVENUE, "order": [{"member": "board.count"}]}, "which it does not ask for", id="order"),
        pytest.param({}, "asks for nothing", id="empty"),
        pytest.param({**REVENUE, "filters": [{"member": "board.count"}]}, "has an operator", id="no-operator"),
        pytest.param(
            {**REVENUE, "filters": [{"member": "board.count", "operator": "gt"}]}, "gt has values", id="no-values"
        ),
        pytest.param(
            {**REVENUE, "filters": [{"operator": "gt", "values": ["1"]}]}, "a filter has a member", id="no-member"
        ),
        pytest.param(
            {**REVENUE, "filters": [{"and": [{"member": "board.count", "operator": "set"}], "values": ["1"]}]},
            "belong to a member",
            id="two-forms",
        ),
        pytest.param({**REVENUE, "limit": 0}, "limit", id="limit"),
    ],
)
async def test_what_cube_could_not_answer_is_not_sent(
    arguments: dict[str, Any], told: str, cube: PlayedCube, connect: Connect
) -> None:
    async with connect() as client:
        assert told in await refusal(client, "query", **arguments)
    assert cube.posted("load") == []


@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
    [
        ("query", {"measures": "board.revenue"}, "query: measures: Input should be a valid tuple"),
        ("describe", {}, "describe: name: Field required"),
        ("query", {"order": [{"member": 1}, {}]}, "query: order.0.member: Input should be a valid string; order.1.mem"),
        ("query", {"measures": [1] * 7}, "; and 2 more"),
    ],
    ids=["form", "missing", "nested", "many"],
)
async def test_wrong_arguments_are_told_by_their_names(
    tool: str, arguments: dict[str, Any], told: str, connect: Connect
) -> None:
    async with connect() as client:
        said = await refusal(client, tool, **arguments)
    assert told in said
    assert "pydantic" not in said
    assert "\n" not in said


async def test_filters_are_nested_only_so_deep(cube: PlayedCube, connect: Connect) -> None:
    nested: dict[str, Any] = {"member": "board.count", "operator": "set"}
    for _ in range(12):
        nested = {"and": [nested]}
    async with connect() as client:
        assert "nested deeper than 8" in await refusal(client, "query", **REVENUE, filters=[nested])
    assert cube.posted("load") == []


async def test_every_wrong_name_is_told_at_once(connect: Connect) -> None:
    async with connect() as client:
        told = await refusal(client, "query", measures=["board.revenu", "board.status"], segments=["orders.larg"])
    assert "'board.revenu' is no member" in told
    assert "did you mean 'orders.large'?" in told
    assert "'board.status' is a dimension" in told


async def test_what_a_caller_sees_is_kept_for_a_moment_and_asked_anew_for_a_new_name(
    cube: PlayedCube, connect: Connect
) -> None:
    cube.cubes[OWNER] = [ORDERS, without(BOARD, "revenue")]
    async with connect(FLOE_MCP_META_SECONDS=1000) as client:
        await answer(client, "list")
        await answer(client, "describe", name="board")
        assert len(cube.asked) == 1
        cube.cubes[OWNER] = [ORDERS, BOARD]
        await answer(client, "query", **REVENUE)
        cube.cubes[OWNER] = [ORDERS, BOARD, {**BOARD, "name": "second"}]
        await answer(client, "describe", name="second")
    assert [item.path.rpartition("/")[2] for item in cube.asked] == ["meta", "meta", "load", "meta"]


async def test_resources_tell_the_same_as_list_and_describe(connect: Connect) -> None:
    async with connect(FLOE_CUBE_API_TOKEN=CLERK) as client:
        listed = await client.read_resource("cube://meta")
        assert [item["name"] for item in json.loads(listed.contents[0].text)["entities"]] == ["board", "orders"]
        board = json.loads((await client.read_resource("cube://meta/board")).contents[0].text)
        assert [item["name"] for item in board["members"]] == ["board.count", "board.status", "board.order_date"]
        with pytest.raises(Exception, match=r"FLOE-MCP-003.*did you mean 'board'"):
            await client.read_resource("cube://meta/bord")


async def test_a_token_file_is_read_for_each_call(cube: PlayedCube, connect: Connect, tmp_path: Path) -> None:
    file = tmp_path / "token"
    async with connect(FLOE_CUBE_API_TOKEN=None, FLOE_CUBE_API_TOKEN_FILE=file) as client:
        assert "FLOE-MCP-001" in await refusal(client, "list")
        file.write_text(f"{CLERK}\n")
        await answer(client, "list")
        file.write_text(OWNER)
        await answer(client, "list")
        file.write_text("")
        assert "there is no token of Cube" in await refusal(client, "list")
    assert [item.token for item in cube.asked] == [CLERK, OWNER]


async def test_without_a_token_nobody_is_asked(cube: PlayedCube, connect: Connect) -> None:
    async with connect(FLOE_CUBE_API_TOKEN=None) as client:
        assert "set FLOE_CUBE_API_TOKEN" in await refusal(client, "query", **REVENUE)
        with pytest.raises(Exception, match="FLOE-MCP-001"):
            await client.read_resource("cube://meta")
    assert cube.asked == []
