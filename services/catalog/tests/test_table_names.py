"""Which table a person means, and what becomes of a table in a rollback."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_catalog.core.rollback_plans import CurrentTable, Step, next_step
from floe_catalog.core.table_names import NamedTable, find_named
from floe_catalog.errors import TableAmbiguous, TableUnknown
from floe_contracts.openlineage.naming import Place
from floe_contracts.rollbacks import TableRollback

SHOP = Place("acme", "dev", "shop")
TABLES = [
    NamedTable(name, SHOP)
    for name in (
        "acme.dev.shop.main.orders",
        "acme.dev.shop.marts.orders",
        "acme.dev.shop.marts.old_orders",
        "acme.dev.shop.marts.customers",
    )
]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("customers", "acme.dev.shop.marts.customers"),
        ("marts.orders", "acme.dev.shop.marts.orders"),
        ("shop.main.orders", "acme.dev.shop.main.orders"),
        ("acme.dev.shop.main.orders", "acme.dev.shop.main.orders"),
        ("old_orders", "acme.dev.shop.marts.old_orders"),
    ],
)
def test_a_name_is_the_end_of_an_identifier_level_by_level(name: str, meant: str) -> None:
    assert find_named(TABLES, name).identifier == meant


def test_a_whole_name_is_meant_even_if_another_ends_with_it() -> None:
    inner, outer = NamedTable("a.b", SHOP), NamedTable("x.a.b", SHOP)
    assert find_named([outer, inner], "a.b") is inner


def test_what_several_are_called_is_refused_by_their_names() -> None:
    with pytest.raises(TableAmbiguous, match=r"main\.orders, acme\.dev\.shop\.marts\.orders"):
        find_named(TABLES, "orders")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("custmers", "'customers'"), ("mart.customers", "'marts.customers'"), ("zzz", "floe catalog tables")],
)
def test_what_none_is_called_is_refused_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(TableUnknown) as caught:
        find_named(TABLES, name)
    assert hint in (caught.value.hint or "")


@given(st.text(max_size=20))
def test_whatever_is_typed_finds_a_table_that_ends_so_or_none(name: str) -> None:
    try:
        found = find_named(TABLES, name)
    except (TableUnknown, TableAmbiguous):
        return
    assert f".{found.identifier}".endswith(f".{name}")


PLAN = TableRollback(identifier="acme.dev.shop.main.orders", table_uuid="u", before=2, after=1)


@pytest.mark.parametrize(
    ("now", "step"),
    [
        (CurrentTable("u", 2, frozenset({2})), "roll_back"),
        (CurrentTable("u", 4, frozenset({4, 3, 2})), "roll_back"),
        (CurrentTable("u", 1, frozenset({1})), "done"),
        (CurrentTable("u", 3, frozenset({3})), "changed"),
        (CurrentTable("u", None, frozenset()), "changed"),
        (CurrentTable("another", 2, frozenset({2})), "changed"),
        (None, "changed"),
    ],
    ids=["as-it-was", "only-maintained", "done-before", "committed-since", "empty", "made-anew", "gone"],
)
def test_a_rollback_goes_on_only_where_nobody_else_has_written(now: CurrentTable | None, step: Step) -> None:
    assert next_step(PLAN, now) == step
