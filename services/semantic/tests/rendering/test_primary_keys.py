"""What names a row: constraints, tests that every row must pass, what dbt infers, entities."""

from __future__ import annotations

from typing import Any

import pytest

from floe_contracts.nodes import Check, KeyConstraint
from floe_semantic.core.rendering.cubes.primary_keys import primary_key, unique_columns
from floe_semantic.core.rendering.metricflow.elements import SemanticModel

from .manifest_parts import MakeNode

ENTITY = SemanticModel.model_validate(
    {"unique_id": "m", "name": "m", "entities": [{"name": "order", "type": "primary", "expr": "number"}]}
)


def check(name: str, column: str | None = None, **more: Any) -> Check:
    return Check(unique_id=f"test.{name}.{column}", name=name, column=column, **more)


def both(*columns: str, **more: Any) -> tuple[Check, ...]:
    return tuple(check(name, column, **more) for column in columns for name in ("unique", "not_null"))


KEY = KeyConstraint(type="primary_key", columns=("Shop", "id"))
COMBINATION = "dbt_utils.unique_combination_of_columns"


@pytest.mark.parametrize(
    ("facts", "key"),
    [
        pytest.param({"keys": (KEY,), "checks": both("id")}, {"shop": "Shop", "id": "id"}, id="constraint"),
        pytest.param({"checks": both("uid", "id"), "primary_key": ("uid", "id")}, {"id": "id"}, id="tests"),
        pytest.param({"checks": both("id", partial=True), "primary_key": ("id",)}, {}, id="tests_of_some_rows"),
        pytest.param(
            {"checks": (*both("id", partial=True), check("unique", "b")), "primary_key": ("b",)},
            {"b": "b"},
            id="inferred_from_unique_alone",
        ),
        pytest.param(
            {"checks": (check(COMBINATION),), "primary_key": ("b", "a")}, {"a": "a", "b": "b"}, id="combination"
        ),
        pytest.param({"checks": (check(COMBINATION, partial=True),), "primary_key": ("b", "a")}, {}, id="some_rows"),
        pytest.param({"primary_key": ("a",)}, {"a": "a"}, id="inferred_without_tests_at_hand"),
        pytest.param({}, {}, id="nothing"),
    ],
)
def test_keys(make_node: MakeNode, facts: dict[str, Any], key: dict[str, str]) -> None:
    skipped: list[str] = []
    assert primary_key(make_node("orders", **facts), (), skipped) == key
    lost = bool(facts.get("primary_key")) and not key
    assert [("bear failures" in told) for told in skipped] == [True] * lost


def test_an_entity_is_the_last_resort(make_node: MakeNode) -> None:
    skipped: list[str] = []
    weak = make_node("orders", checks=both("id", partial=True), primary_key=("id",))
    assert primary_key(weak, (ENTITY,), skipped) == {"number": "number"}
    assert primary_key(make_node("orders", checks=both("id")), (ENTITY,), skipped) == {"id": "id"}
    assert skipped == []


def test_columns_that_are_unique(make_node: MakeNode) -> None:
    keys = (
        KeyConstraint(type="unique", columns=("Code",)),
        KeyConstraint(type="unique", columns=("a", "b")),
        KeyConstraint(type="foreign_key", columns=("c",)),
    )
    checks = (check("unique", "ID"), check("unique", "late", partial=True), check("not_null", "d"))
    assert unique_columns(make_node("orders", keys=keys, checks=checks)) == {"code", "id"}
