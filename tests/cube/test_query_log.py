"""The log of queries inside Cube, at the edges that a server does not reach within a test."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cube_home import CubeHome

_HERE = Path(__file__).parent
_MODULE = _HERE.parents[1] / "deploy" / "cube" / "floe" / "query_log.js"

Probe = Callable[[str], dict[str, Any]]


@pytest.fixture
def probe(cube_home: CubeHome) -> Probe:
    """What comes of a case of the probe."""

    def run(case: str) -> dict[str, Any]:
        command = [str(cube_home.node), str(_HERE / "query_log_probe.cjs"), str(_MODULE), case]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return run


def test_what_waits_is_bounded_and_what_is_dropped_is_counted(probe: Probe) -> None:
    found = probe("bounded")
    assert (found["held"]["waiting"], found["held"]["dropped"]) == (5_000, 2_000)
    assert (found["told"], found["dropped"]) == (5_000, 2_000)
    assert (found["counts"]["waiting"], found["counts"]["dropped"]) == (0, 0)
    assert [text.partition(":")[0] for text in found["warnings"]] == [
        "queries are not told to the semantic service",
        "queries are told to the semantic service again",
    ]


def test_a_long_query_is_told_to_run_each_minute(probe: Probe) -> None:
    found = probe("long")
    kinds = [(event["kind"], event["at"][14:19], event["announced"]) for event in found["events"]]
    assert kinds == [
        ("started", "00:01", True),
        ("started", "01:01", True),
        ("started", "02:01", True),
        ("succeeded", "02:10", True),
    ]
    assert len({event["started_at"] for event in found["events"]}) == 1


def test_a_caller_that_comes_again_for_its_rows_makes_one_query(probe: Probe) -> None:
    events = [event for event in probe("polled")["events"] if event["kind"] != "started"]
    assert [(event["user"], event["kind"], event["request"]) for event in events] == [
        ("ann", "succeeded", "first"),
        ("bob", "failed", "other"),
    ]


def test_rows_that_nobody_comes_for_are_told_as_abandoned(probe: Probe) -> None:
    found = probe("abandoned")
    assert found["events"][-1]["kind"] == "abandoned"
    assert found["counts"]["open"] == 0


def test_a_refusal_after_the_success_is_a_failure_without_values(probe: Probe) -> None:
    [event] = probe("refused_after_success")["events"]
    assert (event["kind"], event["denied"]) == ("failed", ["orders"])
    assert event["error"] == "You requested hidden member: 'orders__status'. '?' of '?' and ?"
    assert event["row_owners"] == {"brand": "acme", "org.unit": "7"}


def test_what_the_service_refuses_is_not_sent_for_ever(probe: Probe) -> None:
    found = probe("refused_by_the_service")
    assert ([event["request"] for event in found["events"]], found["told_as_dropped"]) == (["two"], 1)
    assert len(found["warnings"]) == 2
    assert found["counts"] == {"waiting": 0, "open": 0, "dropped": 0}


def test_nothing_that_a_caller_writes_gets_out(probe: Probe) -> None:
    found = probe("odd")
    [event] = [event for event in found["events"] if event["api"] == "sql"]
    assert event["queries"][0]["measures"] == ["orders.?", "orders.count", "?", "?"]
    assert event["queries"][0]["time_dimensions"] == [
        {"dimension": "?", "granularity": None, "ranged": False},
        {"dimension": "orders.at", "granularity": None, "ranged": True},
    ]
    assert event["sql"] == ["select '?', ?, \"c2\" from t where a = ? and b1 > ?"]
    assert (event["user"], event["row_owners"]) == (None, {"org.unit": "7"})
    assert "secret" not in json.dumps(found["events"])


def test_a_statement_of_the_sql_api_is_told_by_its_members_also_without_a_last_word(probe: Probe) -> None:
    *_, event = probe("statement")["events"]
    assert (event["kind"], event["api"]) == ("succeeded", "sql")
    assert [shape["measures"] for shape in event["queries"]] == [["orders.count"]]
    assert "secret" not in json.dumps(event)


def test_queries_before_the_first_bundle_wait_until_it_is_known_whose_they_are(probe: Probe) -> None:
    found = probe("product_unknown")
    assert (found["early"], len(found["events"])) == (0, 1)
