"""Every command of docs/how-to/query.md but SQL's, run as it stands there; only ports are the test's own."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cube_client import CubeClient  # found by the path that conftest.py adds
from cube_server import CubeServer
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from served_example import ServedExample
from tokens import SECRET, token

from floe_chassis.testing import free_port

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "query.md"
VIEW = "weekly_revenue_by_brand"

pytestmark = [pytest.mark.bus, pytest.mark.dbt]


@pytest.fixture
def cube(example: ServedExample) -> CubeServer:
    return example.cube


def blocks(language: str) -> list[str]:
    """The blocks of the page in a language, in their order, without the indentation of a list."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def block(with_text: str) -> str:
    (found,) = (text for text in blocks("sh") if with_text in text)
    return found


async def shell(text: str, folder: Path, cube: CubeServer, **more: str) -> str:
    """What a script prints, with the variables of the page's beginning."""
    beginning = block("floe semantic token").replace("http://127.0.0.1:4000", cube.url)
    # The key as floe up --cube keeps it in the folder that the page names.
    key = folder / "examples" / "orders" / ".floe" / "cube" / "secret"
    key.parent.mkdir(parents=True, exist_ok=True)
    key.write_text(SECRET)
    environment = {name: value for name, value in os.environ.items() if name != "CUBEJS_API_SECRET"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-ec",
        f"{beginning}\n{text}",
        cwd=folder,
        env={**environment, "PATH": path, **more},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(180):
            printed, errors = await process.communicate()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    assert process.returncode == 0, errors.decode()
    return printed.decode()


def test_every_shell_block_is_tried_here() -> None:
    tried = ("floe semantic token", "v1/meta", VIEW, "v1/dry-run", "graphql", "floe mcp", "ask()", '"or"')
    assert [text for text in blocks("sh") if not any(part in text for part in tried)] == []


async def test_the_model_and_a_query_over_rest(cube: CubeServer, tmp_path: Path) -> None:
    seen = json.loads(await shell(block("v1/meta"), tmp_path, cube))
    assert {"loyalty_mailer", VIEW} <= {item["name"] for item in seen["cubes"] if item["type"] == "view"}
    (load,) = (text for text in blocks("sh") if "v1/load" in text and VIEW in text)
    answer = json.loads(await shell(load, tmp_path, cube))
    assert len(answer["data"]) == 3
    assert {row[f"{VIEW}.brand"] for row in answer["data"]} == {"aurora"}
    assert answer["data"] == sorted(answer["data"], key=lambda row: row[f"{VIEW}.order_date.week"])
    filtered = json.loads(await shell(block('"or"'), tmp_path, cube))
    assert int(filtered["data"][0]["revenue_dashboard_fct_orders.count"]) > 0


async def test_what_the_policies_do_is_told(cube: CubeServer, tmp_path: Path) -> None:
    answer = json.loads(await shell(block("v1/dry-run"), tmp_path, cube))
    masked = [item["member"] for item in answer["normalizedQueries"][0]["maskedMembers"]]
    assert "loyalty_mailer.dim_customers_email" in masked


async def test_a_query_over_graphql(cube: CubeServer, tmp_path: Path) -> None:
    answer = json.loads(await shell(block("graphql"), tmp_path, cube))
    rows = answer["data"]["cube"]
    assert len(rows) == 3
    assert all(row[VIEW]["net_revenue"] and row[VIEW]["order_date"]["week"] for row in rows)


async def test_waiting_for_an_answer(cube: CubeServer, tmp_path: Path) -> None:
    await shell(block("ask()"), tmp_path, cube)
    (row,) = json.loads((tmp_path / "answer.json").read_text())["data"]
    assert float(row["fct_orders.net_revenue"]) > 0


async def test_the_program_in_python_asks_floe_mcp(cube: CubeServer, tmp_path: Path) -> None:
    port = str(free_port())
    (program,) = blocks("python")
    (tmp_path / "ask.py").write_text(program.replace("8765", port))
    serving = block("floe mcp").replace("8765", port)
    wait = f"curl -sS --retry 60 --retry-connrefused --retry-delay 1 http://127.0.0.1:{port}/livez"
    printed = await shell(f"{serving}\n{wait}\n{sys.executable} ask.py; kill %1", tmp_path, cube)
    assert re.fullmatch(r"\[\['\d+'\]\]", printed.strip())


async def test_the_configuration_of_a_program_starts_floe_mcp(cube: CubeServer, tmp_path: Path) -> None:
    (configuration,) = blocks("json")
    given: dict[str, Any] = json.loads(configuration.replace("http://127.0.0.1:4000", cube.url))["mcpServers"]["floe"]
    (tmp_path / "cube-token").write_text(token({"brand": "aurora"}))
    own = {name: value.replace("/home/me", str(tmp_path)) for name, value in given["env"].items()}
    command = str(Path(sys.executable).with_name(given["command"]))
    async with Client(
        stdio_client(StdioServerParameters(command=command, args=given["args"], env={**os.environ, **own}))
    ) as client:
        listed = (await client.call_tool("list", {})).structured_content
        asked = (await client.call_tool("query", {"dimensions": [f"{VIEW}.brand"]})).structured_content
    assert listed is not None
    assert listed["entities"][0]["kind"] == "view"
    assert asked is not None
    assert asked["rows"] == [["aurora"]]


def test_pages_and_refusals_are_as_the_page_says(cube: CubeServer) -> None:
    client = cube.client({"brand": "aurora"})
    assert client.load({"dimensions": ["fct_orders.order_id"]}).body["query"]["limit"] == 10_000
    assert client.load({"dimensions": ["fct_orders.order_id"], "limit": 50_001}).status == 500
    assert client.load({"measures": ["fct_orders.nothing"]}).status == 400
    nobody = cube.client({})
    assert nobody.load({"measures": ["fct_orders.count"]}).status == 403
    assert "Invalid token" in str(CubeClient(cube.url, token({"brand": "aurora"}, secret="another")).meta().error)
    where = '{ cube(limit: 1) { fct_orders(where: {brand: {equals: "aurora"}}) { count order_date { value } } } }'
    assert client.graphql(where).body["data"]["cube"]
    total = client.load({"dimensions": ["fct_orders.order_id"], "limit": 2, "total": True}).body
    assert (len(total["data"]), int(total["total"]) > 2) == (2, True)
