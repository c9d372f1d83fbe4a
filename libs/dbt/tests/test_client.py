"""The `floe-dbt` program where it does not come to a server."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version

from floe_dbt.warm_dbt import WarmDbt


def run_client(tmp_path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    executable = WarmDbt(tmp_path / "unused").executable
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run([executable, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_version_is_told_without_a_server(tmp_path):
    told = run_client(tmp_path, "--version")
    assert told.returncode == 0
    assert f"- installed: {version('dbt-core')}" in told.stdout.splitlines()[1]


def test_without_a_socket_it_says_what_is_missing(tmp_path):
    ended = run_client(tmp_path, "build")
    assert ended.returncode == 64
    assert ended.stderr == "floe-dbt: FLOE_DBT_SOCKET is not set: start this through floe\n"


def test_without_a_server_it_says_so(tmp_path):
    ended = run_client(tmp_path, "build", FLOE_DBT_SOCKET=str(tmp_path / "nobody"))
    assert ended.returncode == 69
    assert f"no dbt fork server at {tmp_path / 'nobody'}" in ended.stderr


def test_it_imports_next_to_nothing():
    heavy = "{'dbt', 'duckdb', 'pydantic', 'yaml', 'asyncio', 'subprocess', 'importlib.metadata'} & set(sys.modules)"
    script = f"import sys, floe_dbt.client; sys.exit(str({heavy} or ''))"
    ended = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=False)
    assert ended.stderr.strip() == ""
