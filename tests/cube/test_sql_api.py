"""Cube's SQL API by psql; its server is in the native module, so only a Cube at `CUBE_URL` has it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from bundle_server import served_cube  # found by the path that conftest.py adds
from cube_home import CubeHome
from models import OWNED
from running_cube import SQL_PORT, URL
from tokens import token

CLAIMS = {"tenant_id": "verification"}
TOTAL = "SELECT MEASURE(total) FROM orders"


@pytest.fixture(autouse=True)
def psql() -> None:
    if not URL:
        pytest.skip(
            "the SQL API is in Cube's native module, which npm does not bring: CUBE_URL names a Cube that has it"
        )
    if shutil.which("psql") is None:
        pytest.skip("psql is not here: Debian's package postgresql-client brings it")


def asked(sql: str, password: str) -> subprocess.CompletedProcess[str]:
    address = ["-h", "127.0.0.1", "-p", str(SQL_PORT), "-U", "anybody", "-d", "db"]
    environment = {**os.environ, "PGPASSWORD": password}
    command = ["psql", "--no-psqlrc", "-At", *address, "-c", sql]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_a_token_as_the_password_shows_what_it_grants(cube_home: CubeHome, tmp_path: Path) -> None:
    with served_cube(cube_home, tmp_path, {"orders.yml": OWNED}, claims=CLAIMS):
        for owner, total in (("acme", "12"), ("globex", "11")):
            answer = asked(TOTAL, token({"tenant_id": owner}))
            assert answer.returncode == 0, answer.stderr
            assert float(answer.stdout) == float(total)


def test_others_are_refused(cube_home: CubeHome, tmp_path: Path) -> None:
    with served_cube(cube_home, tmp_path, {"orders.yml": OWNED}, claims=CLAIMS):
        assert asked(TOTAL, token({"tenant_id": "acme"})).returncode == 0
        assert asked(TOTAL, token({"tenant_id": "acme"}, secret="another")).returncode != 0
        assert asked(TOTAL, "no token").returncode != 0
        assert asked(TOTAL, token({})).returncode != 0
        switching = "SELECT MEASURE(total) FROM orders WHERE __user = 'globex'"
        assert asked(switching, token({"tenant_id": "acme"})).returncode != 0
