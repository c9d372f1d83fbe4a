"""Of many queries that are alike, one run stands for all, and says so."""

from __future__ import annotations

from typing import Any

from floe_contracts.openlineage.naming import Place
from floe_semantic.core.queries.job_names import MOST_NAMES, NAMES_A_DAY, OTHER, JobNames
from floe_semantic.core.queries.windows import MOST_WINDOWS, QueryWindows, Telling, query_of

PLACE = Place("default", "prod", "shop")


def taken(windows: QueryWindows, record: Any, now: float, place: Place = PLACE) -> Telling | None:
    return windows.take(query_of(place, "cube-1", "1.7.43", record), now, record.user)


def test_the_first_is_told_at_once_and_the_last_with_their_number(make_record: Any) -> None:
    windows = QueryWindows(60)
    first = taken(windows, make_record(request="1"), 0.0)
    assert first is not None
    assert (first.alike.queries, first.alike.users) == (1, 1)
    others = [
        make_record(request=str(n), cached=n % 2 == 0, user=f"u{n % 3}", started_at=f"2026-11-21T19:11:{n}Z")
        for n in range(10, 20)
    ]
    assert [taken(windows, record, 1.0) for record in others] == [None] * 10
    assert list(windows.close(59.0)) == []
    (last,) = windows.close(60.0)
    assert last.query.record.request == "19"
    assert (last.alike.queries, last.alike.cached, last.alike.users) == (10, 5, 3)
    assert last.alike.since == "2026-11-21T19:11:10+00:00"


def test_a_window_goes_on_while_queries_come(make_record: Any) -> None:
    windows = QueryWindows(60)
    for second in range(0, 600, 5):
        taken(windows, make_record(request=str(second)), float(second))
        list(windows.close(float(second)))
    assert taken(windows, make_record(request="later"), 600.0) is None
    assert [telling.alike.queries for telling in windows.close(660.0)] == [12]
    assert list(windows.close(720.0)) == []
    assert taken(windows, make_record(request="much later"), 720.0) is not None


def test_another_outcome_place_bundle_or_mask_is_told_at_once(make_record: Any) -> None:
    windows = QueryWindows(60)
    assert taken(windows, make_record(), 0.0)
    assert taken(windows, make_record(kind="failed"), 0.0)
    assert taken(windows, make_record(denied=["orders"]), 0.0)
    assert taken(windows, make_record(masked=["orders.revenue"]), 0.0)
    assert taken(windows, make_record(bundle_digest=None), 0.0)
    assert taken(windows, make_record(), 0.0, Place("default", "dev", "shop"))
    assert taken(windows, make_record(), 0.0) is None


def test_without_windows_every_query_is_told(make_record: Any) -> None:
    windows = QueryWindows(0)
    assert all(taken(windows, make_record(request=str(n)), 0.0) for n in range(5))
    assert list(windows.close(None)) == []


def test_more_jobs_than_are_followed_are_counted(make_record: Any) -> None:
    windows = QueryWindows(60)
    for number in range(MOST_WINDOWS + 7):
        taken(windows, make_record(queries=[{"measures": [f"orders.m{number}"]}]), 0.0)
    assert windows.uncounted == 7
    assert list(windows.close(60.0)) == []
    assert taken(windows, make_record(queries=[{"measures": ["orders.new"]}]), 60.0) is not None


def test_at_the_end_all_are_told(make_record: Any) -> None:
    windows = QueryWindows(60)
    taken(windows, make_record(request="1"), 0.0)
    taken(windows, make_record(request="2"), 0.0)
    assert [telling.alike.queries for telling in windows.close(None)] == [1]
    assert list(windows.close(None)) == []


def test_a_product_has_so_many_names_for_its_queries_and_some_more_each_day() -> None:
    names = JobNames()

    def given(count: int, now: float, place: Place = PLACE) -> int:
        return sum(names.name(place, "orders", f"{now}-{n}", now) != OTHER for n in range(count))

    assert given(MOST_NAMES + 500, 0.0) == MOST_NAMES
    assert names.name(PLACE, "orders", "0.0-7", 1.0) == "0.0-7"
    assert names.name(PLACE, "orders", "another", 1.0) == OTHER
    assert given(10, 1.0, Place("default", "dev", "shop")) == 10
    assert given(2 * NAMES_A_DAY, 86_400.0) == NAMES_A_DAY
    assert given(3 * MOST_NAMES, 100 * 86_400.0) == MOST_NAMES


def test_what_cube_refused_before_it_looked_for_tables_is_one_job(make_record: Any) -> None:
    def job(**changes: Any) -> tuple[str, str]:
        query = query_of(PLACE, "cube-1", "1.7.43", make_record(**changes))
        return query.served, query.named

    nix, wrong = ([{"measures": [name]}] for name in ("nix.nix", "wrong.wrong"))
    assert job(kind="failed", members=[], queries=nix) == job(kind="failed", members=[], queries=wrong)
    assert job(kind="failed", members=[], queries=nix) == ("query", "refused")
    assert job(kind="failed")[0] == "orders"
