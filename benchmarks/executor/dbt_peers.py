"""dbt alone, warm and cold, dagster-dbt as it is documented, and dbt as OpenLineage wraps it."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from buildable_products import PROFILES
from contenders import BIN, STOCK, plain_environment
from measurement import Measurement, measure_command

from floe_dbt.environment import dbt_environment
from floe_dbt.warm_dbt import WarmDbt

PLAIN_LANDING = Path(__file__).with_name("plain_landing.py")


def cold_dbt_build(product: Path) -> Measurement:
    """`dbt build` in a fresh checkout, nothing parsed before."""
    return measure_command(
        [str(BIN / "dbt"), *_arguments(product)], cwd=product / "dbt", environment=plain_environment()
    )[0]


def dbt_ol_build(product: Path, peers: Path, backend: str) -> Measurement:
    """`dbt-ol build` in a fresh checkout, sending OpenLineage to `backend`."""
    environment = plain_environment() | {"OPENLINEAGE_URL": backend, "PATH": f"{peers.resolve() / 'bin'}:/usr/bin:/bin"}
    command = [str(peers.resolve() / "bin" / "dbt-ol"), *_arguments(product)]
    return measure_command(command, cwd=product / "dbt", environment=environment)[0]


def stock_dagster(product: Path) -> Measurement:
    """`materialize` of dagster-dbt's own assets in a process that has imported everything; the manifest is there."""
    home = product / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    _profiles(product)
    command = [sys.executable, str(STOCK), str(product / "dbt"), str(product / "profiles")]
    environment = plain_environment() | {"DAGSTER_HOME": str(home)}
    measured, output = measure_command(command, cwd=product, environment=environment)
    told = json.loads(output.splitlines()[-1])
    return Measurement(told["wall"], told["cpu"], measured.rss_mb)


class WarmBuilds:
    """Builds of one project by floe's fork server alone: dbt warm, partially parsed, and nothing around it."""

    def __init__(self, product: Path) -> None:
        self._product = product
        self._dbt = WarmDbt(product / "warm")

    def __enter__(self) -> Self:
        _profiles(self._product)
        self._dbt.start()
        self._dbt.wait_ready()
        self.build()  # parses in full
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._dbt.stop()

    def land(self) -> Measurement:
        """The tables of the last build in Iceberg, by DuckDB and pyiceberg alone."""
        lake = Path(tempfile.mkdtemp(dir=self._product)) / "lake"
        command = [sys.executable, str(PLAIN_LANDING), str(self._product / "bench.duckdb"), str(lake)]
        measured, output = measure_command(command, cwd=self._product, environment=plain_environment())
        told = json.loads(output.splitlines()[-1])
        return Measurement(told["wall"], told["cpu"], measured.rss_mb)

    def build(self) -> Measurement:
        """One `dbt build`; CPU and memory are those of dbt's own process."""
        environment = dbt_environment(plain_environment(), profiles_dir=self._product / "profiles", secrets={})
        started = time.monotonic()
        log = self._product / "warm.log"
        with log.open("wb") as output:
            done = self._dbt.invoke(
                ["--no-write-json", "--log-level-file", "none", *_arguments(self._product)],
                cwd=self._product / "dbt",
                environment=environment,
                output=output,
                timeout=600,
            )
        wall = time.monotonic() - started
        if done.returncode:
            raise RuntimeError(f"dbt failed:\n{log.read_text()[-4000:]}")
        return Measurement(wall, done.cpu_seconds, done.max_rss_bytes / 2**20)


def _arguments(product: Path) -> list[str]:
    _profiles(product)
    return ["build", "--profiles-dir", str(product / "profiles"), "--target", "dev"]


def _profiles(product: Path) -> None:
    folder = product / "profiles"
    folder.mkdir(exist_ok=True)
    (folder / "profiles.yml").write_text(PROFILES.format(path=product / "bench.duckdb"))
