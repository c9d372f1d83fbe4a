"""Requests about all products while the catalog of one of them is away."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from floe_catalog.errors import TableAmbiguous, TableUnknown
from floe_chassis.errors import RequestFailed, RequestRefused
from floe_contracts.catalog_requests import (
    COMPACT_TABLES,
    DESCRIBE_TABLE,
    LIST_NAMESPACES,
    LIST_TABLES,
    ROLL_BACK,
    CompactTables,
    DescribeTable,
    ListNamespaces,
    ListTables,
    RollBack,
)
from floe_contracts.events import LandedTable
from floe_contracts.nodes import Node
from floe_lakehouse.errors import CatalogUnreachable
from floe_lakehouse.testing.rest_server import RestServer

Asking = Callable[..., Awaitable[Any]]

pytestmark = pytest.mark.parametrize("profile", ["rest"], indirect=True)


@pytest.fixture
async def away(
    known: Callable[..., Awaitable[None]],
    node: Callable[..., Node],
    land: Callable[..., LandedTable],
    local: dict[str, Any],
    rest_server: RestServer,
) -> None:
    """`shop-orders`, whose catalog does not answer any more, beside `returns`, whose catalog does."""
    await known(nodes=(node("orders"), node("customers")))
    await known(product="returns", profile=local)
    land("r1", "orders")
    for run in ("r1", "r2"):
        land(run, "refunds", product="returns")
    land("r2", "orders", product="returns")
    rest_server.refusals = [503] * 10_000


@pytest.mark.usefixtures("away")
async def test_what_others_have_is_answered_beside_who_could_not_be_asked(asking: Asking) -> None:
    for operation, request in (
        (LIST_TABLES, ListTables()),
        (LIST_NAMESPACES, ListNamespaces()),
        (COMPACT_TABLES, CompactTables(dry_run=True)),
    ):
        answer = await asking(operation, request)
        entries = next(value for _, value in answer if isinstance(value, tuple) and value)
        assert entries, operation.name
        assert "shop-orders" not in str(entries)
        (unanswered,) = answer.unanswered
        problem = unanswered.problem
        assert (unanswered.product, problem.code, problem.transient) == ("shop-orders", CatalogUnreachable.code, True)


@pytest.mark.usefixtures("away")
async def test_who_names_the_product_is_refused_as_a_whole(asking: Asking) -> None:
    for operation, request in (
        (LIST_TABLES, ListTables(product="shop-orders")),
        (LIST_NAMESPACES, ListNamespaces(product="shop-orders")),
        (COMPACT_TABLES, CompactTables(product="shop-orders", dry_run=True)),
    ):
        assert await failed(asking(operation, request)) == CatalogUnreachable.code


@pytest.mark.usefixtures("away")
async def test_a_name_means_no_other_table_than_it_does_when_all_answer(asking: Asking) -> None:
    for name in ("refunds", "main.refunds", "default.dev.returns.main.orders"):
        assert (await asking(DESCRIBE_TABLE, DescribeTable(table=name))).product == "returns"
    for name in ("customers", "default.dev.shop-orders.main.orders", "default.dev.shop-orders.main.undeclared"):
        assert await failed(asking(DESCRIBE_TABLE, DescribeTable(table=name))) == CatalogUnreachable.code
    with pytest.raises(RequestRefused) as caught:
        await asking(DESCRIBE_TABLE, DescribeTable(table="orders"))
    assert caught.value.problem.code == TableAmbiguous.code
    with pytest.raises(RequestRefused) as caught:
        await asking(DESCRIBE_TABLE, DescribeTable(table="refund"))
    problem = caught.value.problem
    assert (problem.code, problem.hint) == (TableUnknown.code, "did you mean 'refunds'?")
    assert "shop-orders could not be asked: FLOE-LAKE-002" in problem.message


@pytest.mark.usefixtures("away")
async def test_a_run_is_rolled_back_where_it_is_found(asking: Asking) -> None:
    answer = await asking(ROLL_BACK, RollBack(to="run:r1", dry_run=True))
    assert {one.identifier for one in answer.results if one.outcome == "done"} == {"default.dev.returns.main.refunds"}
    assert await failed(asking(ROLL_BACK, RollBack(to="run:r9", dry_run=True))) == CatalogUnreachable.code


@pytest.mark.usefixtures("away")
async def test_the_command_shows_what_there_is_and_says_what_is_missing(environment: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("floe"),
        *("catalog", "tables", "--json"),
        env={**os.environ, "FLOE_NATS_URL": environment["FLOE_NATS_URL"]},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 4, err
    assert {one["product"] for one in json.loads(out)["tables"]} == {"returns"}
    assert "error FLOE-LAKE-002" in err.decode()
    assert "shop-orders could not be asked: the catalog cannot be reached" in err.decode()


async def failed(asking: Awaitable[Any]) -> str:
    """The code with which a request fails that may be fulfilled later."""
    with pytest.raises(RequestFailed) as caught:
        await asking
    return caught.value.problem.code
