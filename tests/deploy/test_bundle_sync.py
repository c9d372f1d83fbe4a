"""Which bundle floe's cube.js serves, with a played service and proofs that no real Cube can be made to give."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
CUBE = HERE.parents[1] / "deploy" / "cube"
Seen = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="session")
def seen(node: str) -> Seen:
    """What came of a scenario."""

    def run(scenario: str) -> dict[str, Any]:
        command = [node, str(HERE / "bundle_sync_scenarios.cjs"), scenario]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return run


def test_a_bundle_that_comes_while_a_verdict_is_lost_is_tried(seen: Seen) -> None:
    assert seen("verdictLostWhileTheNextComes")["serving"] == "B"


def test_a_verdict_that_was_lost_is_told_again_and_names_its_offer(seen: Seen) -> None:
    answer = seen("verdictLostOnce")
    assert answer["told"] == ["A served"] * 3
    assert answer["offers"] == ['"A.1"'] * 3
    assert [line for line in answer["lines"] if "does not answer" in line]


def test_rubbish_that_comes_while_another_is_proved_is_refused(seen: Seen) -> None:
    answer = seen("rubbishWhileAnotherIsProved")
    assert answer["told"] == ["V2 refused"]
    assert answer["serving"] is None


def test_a_proof_that_does_not_end_is_a_refusal(seen: Seen) -> None:
    answer = seen("proofThatDoesNotEnd")
    assert answer["told"] == ["H refused", "B served"]
    assert [line for line in answer["lines"] if "has not answered" in line]


def test_what_was_withdrawn_while_it_was_proved_is_told_no_verdict(seen: Seen) -> None:
    answer = seen("withdrawnWhileItIsProved")
    assert answer["told"] == []
    assert answer["serving"] is None


def test_a_cube_that_served_a_product_asks_for_it_alone_and_takes_no_other(seen: Seen) -> None:
    answer = seen("anotherProduct")
    assert answer["serving"] is None
    assert answer["told"] == ["A served"]
    assert answer["last"]["place"] == {"environment": "dev", "product": "orders"}


def test_a_bundle_of_another_product_than_the_named_one_is_not_taken(seen: Seen) -> None:
    answer = seen("namedProduct")
    assert (answer["serving"], answer["told"]) == (None, [])


def test_what_is_offered_still_is_tried_again_after_a_while(seen: Seen) -> None:
    answer = seen("refusedAndOfferedStill")
    assert answer["told"] == ["A refused", "A served"]
    assert answer["last"]["refused"] == "A"


@pytest.mark.parametrize("name", ["FLOE_ENVIRONMENT", "FLOE_PRODUCT"])
def test_a_name_that_is_given_and_empty_is_no_name(node: str, name: str) -> None:
    script = f"require({json.dumps(str(CUBE / 'floe/settings'))}).readSettings(process.env)"
    given = {"FLOE_SEMANTIC_URL": "http://semantic", "CUBEJS_API_SECRET": "secret", "PATH": os.environ["PATH"]}
    for value, code in (("", 1), ("orders", 0), (None, 0)):
        environment = given if value is None else {**given, name: value}
        done = subprocess.run([node, "-e", script], env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode != 0) == bool(code), done.stderr
        assert (name in done.stderr) == bool(code)
