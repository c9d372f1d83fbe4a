"""The versions that go into an artifact."""

from __future__ import annotations

import subprocess

from floe_dbt.versions import installed_tools
from floe_dbt.warm_dbt import WarmDbt


def test_versions_are_those_that_the_client_tells(tmp_path):
    tools = installed_tools()
    command = [WarmDbt(tmp_path).executable, "--version"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.split()[-1] == tools.dbt_core
    assert tools.adapters.keys() >= {"duckdb"}
    assert tools.adapters["duckdb"].startswith("1.11.")
