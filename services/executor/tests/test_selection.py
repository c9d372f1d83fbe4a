from __future__ import annotations

import json
from typing import Any

import pytest

from floe_contracts.events import NodeOutcome, RunOptions
from floe_contracts.nodes import NodeGraph
from floe_executor.core.retries import BuiltSoFar
from floe_executor.core.selection import RESERVED, check_options, narrowed, select
from floe_executor.errors import SelectionInvalid

from .test_retries import graph, node

GRAPH = graph(node("orders"), node("customers"))
NEW: frozenset[str] = frozenset()
EXACTLY = ("--indirect-selection", "empty")


def built(whole: bool, **statuses: str) -> BuiltSoFar:
    names = {"few": "test.shop.few"}
    return BuiltSoFar(
        nodes=tuple(
            NodeOutcome(unique_id=names.get(name, f"model.shop.{name}"), status=status, seconds=0.0)
            for name, status in statuses.items()
        ),
        whole=whole,
    )


def arguments(options: RunOptions, before: BuiltSoFar | None = None, found: NodeGraph = GRAPH, **more: Any) -> Any:
    return select(options, found, before, variables=more, new=NEW).arguments


def test_a_request_for_everything_says_nothing() -> None:
    assert arguments(RunOptions()) == ()
    assert not narrowed(RunOptions(vars={"a": 1}, full_refresh=True))


def test_options_become_arguments_of_dbt() -> None:
    options = RunOptions(select=("orders+", "tag:daily"), exclude=("customers",), full_refresh=True, vars={"b": [1]})
    found = arguments(options, floe_partition="2026-11-20")
    variables = found[-1]
    assert found[:-1] == (
        *("--select", "orders+", "tag:daily"),
        *("--exclude", "customers"),
        "--full-refresh",
        "--vars",
    )
    assert json.loads(variables) == {"b": [1], "floe_partition": "2026-11-20"}
    assert narrowed(options)


@pytest.mark.parametrize("item", ["-s", "--profiles-dir=/", " --full-refresh", "", "  ", "a\0b"])
@pytest.mark.parametrize("field", ["select", "exclude"])
def test_a_selection_is_data_and_no_option(field: str, item: str) -> None:
    with pytest.raises(SelectionInvalid) as refused:
        check_options(RunOptions.model_validate({field: (item,)}))
    assert refused.value.where is not None
    assert refused.value.where.path == f"options.{field}"


@pytest.mark.parametrize(
    "variables",
    [{"": 1}, {RESERVED[0]: "2026-11-20"}, {"password": "{{ env_var('DBT_ENV_SECRET_FLOE_X') }}"}],
    ids=["no-name", "reserved", "secret"],
)
def test_variables_that_a_request_may_not_set(variables: dict[str, Any]) -> None:
    with pytest.raises(SelectionInvalid):
        check_options(RunOptions(vars=variables))


def test_what_is_usual_is_allowed() -> None:
    check_options(RunOptions(select=("+orders,tag:daily", "path:models/x"), vars={"day": "2026-11-20", "n": None}))


def test_after_a_whole_build_exactly_what_is_left_is_built() -> None:
    before = built(True, orders="success", customers="failed", few="skipped")
    found = select(RunOptions(full_refresh=True), GRAPH, before, variables={}, new=NEW)
    assert found.arguments == (
        *("--select", "customers,file:customers.sql", "few,resource_type:test"),
        *EXACTLY,
        "--full-refresh",
    )
    assert found.only == {"model.shop.customers", "test.shop.few"}
    assert not found.empty


def test_with_nothing_left_dbt_is_not_asked() -> None:
    found = select(RunOptions(), GRAPH, built(True, orders="success"), variables={}, new=NEW)
    assert found.empty


def test_what_is_new_in_a_mended_artifact_is_built_unless_a_part_was_asked_for() -> None:
    before, new = built(True, orders="success"), frozenset({"model.shop.customers"})
    assert select(RunOptions(), GRAPH, before, variables={}, new=new).only == new
    assert select(RunOptions(select=("orders",)), GRAPH, before, variables={}, new=new).empty


def test_after_a_build_that_broke_off_what_was_built_is_left_out() -> None:
    before = built(False, orders="success", customers="failed")
    found = select(RunOptions(), GRAPH, before, variables={}, new=NEW)
    assert found.arguments == ("--exclude", "orders,file:orders.sql", *EXACTLY)
    assert found.only is None
    assert select(RunOptions(), GRAPH, built(False), variables={}, new=NEW).arguments == ()


def test_after_a_build_of_a_part_that_broke_off_the_part_is_built_again() -> None:
    options = RunOptions(select=("orders",))
    assert arguments(options, built(False, orders="success")) == ("--select", "orders")
