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
    assert event["error"] == "You requested hidden member: '?' and ?"
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


RECORDS = """
const { errorText, sqlText } = require(process.argv[1]);
const [kind, text] = JSON.parse(process.argv[2]);
const known = (name) => name === 'orders.status';
process.stdout.write(JSON.stringify(kind === 'error' ? errorText(text, known) : sqlText(text, true)));
"""


@pytest.fixture
def told(cube_home: CubeHome) -> Callable[[str, str], str | None]:
    """What is told of an error or of SQL that a caller wrote."""

    def run(kind: str, text: str) -> str | None:
        module = str(_MODULE.with_name("query_records.js"))
        command = [str(cube_home.node), "-e", RECORDS, module, json.dumps([kind, text])]
        answer: str | None = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return answer

    return run


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            "Error: Conversion Error: Could not convert string 'Ann O'Brien, ann@x.test' to INT32",
            "Conversion Error: Could not convert string '?' to INT32",
        ),
        (
            'invalid input syntax for type timestamp with time zone: "he said "call Ann Smith" today"',
            "invalid input syntax for type timestamp with time zone: '?'",
        ),
        ("Could not convert string 'it's Ann's diagnosis' to DOUBLE", "Could not convert string '?' to DOUBLE"),
        (
            'Could not parse string "5 o\'clock Ann" according to format',
            "Could not parse string '?' according to format",
        ),
        ("Could not convert string 'Ann\nO'Brien' to INT32", "Could not convert string '?'"),
        ("Could not convert string 'O'Brien\nAnn' to INT32\nLINE 1: SELECT 1", "Could not convert string '?'"),
        ("ungültige Eingabesyntax für Typ integer: »Ann«", "ungültige Eingabesyntax für Typ integer: '?'"),
        ("no 'orders__status' and no \"orders.status\"", "no 'orders__status' and no \"orders.status\""),
        ("no 'orders__status' of 'Ann'", "no '?'"),
        ("no 'orders__status' of 'Ann", "no '?'"),
        ("Can't find join path to join 'orders', 'payments' of 7", "Can't find join path to join '?' of ?"),
        ("Can't be", "Can't be"),
    ],
)
def test_what_an_error_quotes_is_not_told(told: Callable[[str, str], str | None], error: str, text: str) -> None:
    """Warehouses quote values of rows, and escape no quote in them."""
    assert told("error", error) == text


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("select 'Ann''s', 4.5e3, 0x1F, -12 from t.c1", "select '?', ?, ?, -? from t.c1"),
        ("select 1 where a = 'C:\\' and name = 'Ann Smith' and x = 'y'", None),
        ("select 1 where a = E'\\'' and name = 'Ann Smith'", None),
        ("select 1 where a = $$Ann Smith$$", None),
        ("select 1 where a = $q1$Ann Smith$q1$", None),
        ("select 1 where a = $1 and b = $2", "select ? where a = $1 and b = $2"),
        ("select a as \"it's\" where b = 'Ann Smith' and c = 'd'", "select a as \"?\" where b = '?' and c = '?'"),
        ('select "orders".a, `b c` where b = \'"\'', "select \"orders\".a, `b c` where b = '?'"),
        ("select 1 -- it's\n where b = 'Ann Smith'", None),
        ("select /* it's */ 1 where b = 'Ann Smith'", None),
        ("select 1 where b = 'Ann Smith", None),
    ],
)
def test_literals_of_callers_are_not_told(told: Callable[[str, str], str | None], sql: str, text: str | None) -> None:
    assert told("sql", sql) == text


def test_a_statement_of_the_sql_api_is_told_by_its_members_also_without_a_last_word(probe: Probe) -> None:
    *_, event = probe("statement")["events"]
    assert (event["kind"], event["api"]) == ("succeeded", "sql")
    assert [shape["measures"] for shape in event["queries"]] == [["orders.count"]]
    assert "secret" not in json.dumps(event)


def test_queries_before_the_first_bundle_wait_until_it_is_known_whose_they_are(probe: Probe) -> None:
    found = probe("product_unknown")
    assert (found["early"], len(found["events"])) == (0, 1)
