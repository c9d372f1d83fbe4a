"""The access matrix: everybody asks for everything, and Cube answers no more and no less than the rules allow.

Callers, questions and answers are generated from the product and its policies; what is right is worked out by an oracle
that knows neither Cube nor the renderer.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from access_oracle import Truth  # found by the path that conftest.py adds
from access_product import POLICIES, statements
from access_questions import callers, cube_query, judged, questions
from access_server import client_of, duckdb_settings, shop_cube
from cube_home import CubeHome

from floe_chassis.testing_postgres import PostgresDatabase, postgres_database, postgres_server

__all__ = ["postgres_database", "postgres_server"]

EVERY = int(os.environ.get("FLOE_ACCESS_EVERY", "8"))
"""Each caller asks one in so many questions, each another one; 1 for all."""
AT_ONCE = 8


@pytest.fixture
def duckdb_warehouse(tmp_path: Path) -> dict[str, str]:
    return duckdb_settings(tmp_path)


@pytest.fixture
def postgres_warehouse(postgres_database: PostgresDatabase) -> dict[str, str]:
    postgres_database.run(";".join(statements()))
    return {
        "CUBEJS_DB_TYPE": "postgres",
        "CUBEJS_DB_HOST": postgres_database.host,
        "CUBEJS_DB_PORT": str(postgres_database.port),
        "CUBEJS_DB_NAME": postgres_database.name,
        "CUBEJS_DB_USER": postgres_database.user,
        "CUBEJS_DB_PASS": postgres_database.password,
    }


@pytest.fixture(scope="module")
def truth() -> Truth:
    return Truth()


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse(request: pytest.FixtureRequest) -> dict[str, str]:
    settings: dict[str, str] = request.getfixturevalue(f"{request.param}_warehouse")
    return settings


@pytest.mark.parametrize("environment", sorted(POLICIES))
def test_nobody_sees_more_or_less_than_the_policies_say(
    cube_home: CubeHome,
    tmp_path: Path,
    truth: Truth,
    warehouse: dict[str, str],
    environment: str,
    record_property: Callable[[str, object], None],
) -> None:
    with shop_cube(cube_home, tmp_path / "cube", environment, warehouse) as cube:
        asked = list(questions(truth, environment))
        jobs = [
            (caller, client_of(cube, caller), kind, question)
            for number, caller in enumerate(callers(environment))
            for kind, question in asked[number % EVERY :: EVERY]
        ]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = pool.map(lambda job: job[1].load(cube_query(job[3])), jobs)
            verdicts = [
                (kind, judged(truth, environment, caller, question, answer))
                for (caller, _, kind, question), answer in zip(jobs, answers, strict=True)
            ]
    faults = [verdict.told for _, verdict in verdicts if verdict.fault]
    counts = Counter((kind, verdict.fault) for kind, verdict in verdicts if verdict.fault)
    record_property("questions", len(verdicts))
    assert faults == [], (counts, faults[:5])
