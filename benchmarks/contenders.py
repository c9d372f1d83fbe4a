"""The contenders that start from nothing: dbt, stock dagster-dbt, and a cold `floe run`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from measurement import Measurement, measure_command

BIN = Path(sys.executable).parent
PROFILE = "floe: {{target: dev, outputs: {{dev: {{type: duckdb, path: '{path}', schema: main, threads: 2}}}}}}\n"
STOCK = Path(__file__).with_name("stock_dagster.py")


def cold_dbt_build(product: Path) -> Measurement:
    """`dbt build` in a fresh checkout, nothing parsed before."""
    profiles = product.parent / "profiles"
    profiles.mkdir()
    (profiles / "profiles.yml").write_text(PROFILE.format(path=product.parent / "orders.duckdb"))
    return second_dbt_build(product)


def second_dbt_build(product: Path) -> Measurement:
    """`dbt build` again: parsed partially, on tables that are there."""
    command = [str(BIN / "dbt"), "build", "--profiles-dir", str(product.parent / "profiles"), "--target", "dev"]
    return measure_command(command, cwd=product / "dbt", environment=plain_environment())[0]


def stock_dagster(product: Path) -> Measurement:
    """`materialize` of dagster-dbt's own assets in a process that has imported everything; the manifest is there."""
    profiles = product.parent / "profiles"
    profiles.mkdir()
    (profiles / "profiles.yml").write_text(PROFILE.format(path=product.parent / "orders.duckdb"))
    home = product.parent / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    environment = plain_environment() | {"DAGSTER_HOME": str(home)}
    command = [sys.executable, str(STOCK), str(product / "dbt"), str(profiles)]
    measured, output = measure_command(command, cwd=product, environment=environment)
    told = json.loads(output.splitlines()[-1])
    return Measurement(told["wall"], told["cpu"], measured.rss_mb)


def cold_floe_run(product: Path) -> Measurement:
    """`floe run` with nothing there: the embedded stack is started and stopped too."""
    command = [str(BIN / "floe"), "run", str(product), "--json"]
    return measure_command(command, cwd=product, environment=plain_environment())[0]


def plain_environment() -> dict[str, str]:
    """The environment without settings of floe, dbt or Dagster, and without dbt's telemetry."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FLOE_", "DBT_", "DAGSTER_"))}
    return kept | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
