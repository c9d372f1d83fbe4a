"""Which queries are the same one, and what they are called."""

from __future__ import annotations

from typing import Any

import pytest

from floe_semantic.core.queries.records import QueryRecord, QueryShape
from floe_semantic.core.queries.shapes import asked_of, described, named_members, shape_digest

BASE: dict[str, Any] = {
    "measures": ["orders.revenue", "orders.count"],
    "dimensions": ["orders.status", "customers.brand"],
    "time_dimensions": [{"dimension": "orders.order_date", "granularity": "day", "ranged": True}],
    "filters": [
        {"member": "orders.status", "operator": "equals"},
        {"or": [{"member": "orders.amount", "operator": "gt"}, {"member": "customers.brand", "operator": "set"}]},
    ],
    "order": [{"member": "orders.count", "descending": True}],
}


def digest(**changes: Any) -> str:
    return shape_digest([QueryShape.model_validate({**BASE, **changes})])


@pytest.mark.parametrize(
    "changes",
    [
        {"measures": ["orders.count", "orders.revenue", "orders.count"]},
        {"dimensions": ["customers.brand", "orders.status"]},
        {"filters": [{"or": [*reversed(BASE["filters"][1]["or"])]}, BASE["filters"][0], BASE["filters"][0]]},
        {"order": [{"member": "orders.count", "descending": False}]},
    ],
    ids=["measures", "dimensions", "filters", "direction"],
)
def test_the_order_of_names_makes_no_other_query(changes: dict[str, Any]) -> None:
    assert digest(**changes) == digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"measures": ["orders.count"]},
        {"time_dimensions": [{"dimension": "orders.order_date", "granularity": "month", "ranged": True}]},
        {"filters": [BASE["filters"][0], {"and": BASE["filters"][1]["or"]}]},
        {"filters": [{"member": "orders.status", "operator": "notEquals"}, BASE["filters"][1]]},
        {"ungrouped": True},
        {"segments": ["orders.paid"]},
    ],
    ids=["measure", "granularity", "junction", "operator", "ungrouped", "segment"],
)
def test_what_is_asked_for_makes_another_query(changes: dict[str, Any]) -> None:
    assert digest(**changes) != digest()


def test_a_query_is_asked_of_what_its_measures_belong_to(make_record: Any) -> None:
    record: QueryRecord = make_record(queries=[BASE])
    assert asked_of(record) == "orders"
    assert asked_of(make_record(queries=[{"dimensions": ["board.status"]}])) == "board"
    assert asked_of(make_record(queries=[{"measures": ["?"]}])) == "query"


def test_a_query_in_words_names_members_and_no_values() -> None:
    told = described([QueryShape.model_validate(BASE)])
    assert told == (
        "Cube: orders.count and orders.revenue, "
        "of each customers.brand and orders.order_date by day and orders.status, "
        "where customers.brand and orders.amount and orders.order_date and orders.status"
    )
    assert "orders.amount" in named_members([QueryShape.model_validate(BASE)])
