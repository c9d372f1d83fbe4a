"""Profiles of an earlier system beside floe's, for the same computes; every difference has a reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from pydantic import TypeAdapter

from floe_contracts.compiled_computes import compiled_compute
from floe_contracts.platform import computes
from floe_dbt.profiles import WAREHOUSES, WarehouseFile, render_profile

SAMPLES: Final = Path(__file__).parents[4] / "shared" / "samples" / "expected-profiles"
WRITTEN: Final[TypeAdapter[computes.Compute]] = TypeAdapter(computes.Compute)
KEY: Final = {"secretRef": "key"}
USER: Final = {"mode": "password", "user": {"secretRef": "user"}, "password": KEY}

WAY_IN: Final[dict[str, dict[str, Any]]] = {
    "duckdb": {"threads": 4},
    "snowflake": {"credentials": USER},
    "bigquery": {"credentials": {"mode": "service_account", "keyfile": KEY}},
    "redshift": {"credentials": USER},
    "databricks": {"credentials": {"mode": "token", "token": KEY}},
    "postgres": {"user": {"secretRef": "user"}, "password": KEY},
    "spark": {"connection": {"mode": "thrift", "host": "spark.internal"}},
}
"""What platform.yaml says itself, and the samples leave to conventions or say flat."""
SAID_THERE: Final = {"duckdb": ("path", "extensions"), "bigquery": ("method",), "spark": ("host", "cluster")}
"""Properties of the samples that floe's document has elsewhere or not at all."""

DEFAULT: Final = "the adapter's own default, written out"
VARIABLE: Final = "a variable that models cannot read, named after the compute: one profile serves all environments"
DIFFERENCES: Final[dict[str, dict[str, str]]] = {
    "duckdb": {
        "path": "the executor knows where the product's file stands; a document of the platform cannot",
        "extensions": "DuckDB is shut in, and loads none",
        "schema": "where landing looks for the tables",
        "plugins": "the plugin that shuts DuckDB in",
        "config_options": "the memory that DuckDB may take",
    },
    "snowflake": {
        "user": VARIABLE,
        "password": VARIABLE,
        "client_session_keep_alive": DEFAULT,
        "connect_retries": DEFAULT,
        "retry_on_database_errors": DEFAULT,
        "retry_all": DEFAULT,
    },
    "bigquery": {"keyfile": VARIABLE, "job_retries": DEFAULT},
    "redshift": {
        "method": DEFAULT,
        "user": VARIABLE,
        "password": VARIABLE,
        "sslmode": DEFAULT,
        "retries": DEFAULT,
        "ra3_node": DEFAULT,
    },
    "databricks": {
        "token": VARIABLE,
        "session_properties": DEFAULT,
        "connect_retries": DEFAULT,
        "retry_all": DEFAULT,
    },
    "postgres": {
        "user": VARIABLE,
        "password": VARIABLE,
        "application_name": DEFAULT,
        "connect_timeout": DEFAULT,
        "keepalives_idle": DEFAULT,
        "retries": DEFAULT,
    },
    "spark": {
        "cluster": "a thrift server has none: dbt-spark reads it with http and odbc only",
        "use_ssl": DEFAULT,
        "server_side_parameters": DEFAULT,
        "connect_retries": DEFAULT,
        "connect_timeout": DEFAULT,
        "retry_all": DEFAULT,
    },
}
"""Every field in which the outputs differ, and why."""


def samples() -> list[Any]:
    if not SAMPLES.is_dir():
        return [pytest.param(None, marks=pytest.mark.skip(reason="no samples/expected-profiles beside the repository"))]
    return [pytest.param(file, id=file.stem) for file in sorted(SAMPLES.glob("*.yaml"))]


@pytest.mark.parametrize("file", samples())
def test_every_difference_is_explained(file: Path) -> None:
    sample = yaml.safe_load(file.read_text())
    compute, environment = sample["input"]["compute"], sample["environment"]
    type_ = compute["target"]
    said = {name: value for name, value in compute["properties"].items() if name not in SAID_THERE.get(type_, ())}
    camel = {re.sub(r"_(\w)", lambda match: match[1].upper(), name): value for name, value in said.items()}
    written = WRITTEN.validate_python({"type": type_, **camel, **WAY_IN[type_]})
    text = render_profile(environment, compiled_compute("warehouse", written), WarehouseFile(Path("/data/shop.duckdb")))
    profile, theirs = yaml.safe_load(text), sample["profiles.yml"]
    assert profile["floe"]["target"] == theirs["floe"]["target"] == environment
    assert list(profile["floe"]["outputs"]) == list(theirs["floe"]["outputs"]) == [environment]
    own, other = profile["floe"]["outputs"][environment], theirs["floe"]["outputs"][environment]
    differing = {name for name in own.keys() | other.keys() if name not in own or own[name] != other.get(name)}
    assert differing == set(DIFFERENCES[type_])
    for name in (each for each in differing if DIFFERENCES[type_][each] == VARIABLE):
        assert other[name].startswith("{{ env_var('")
        assert own[name] == f"{{{{ env_var('DBT_ENV_SECRET_FLOE_WAREHOUSE__{name.upper()}') }}}}"


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="no samples/expected-profiles beside the repository")
def test_there_are_two_samples_for_each_warehouse() -> None:
    assert {file.stem for file in SAMPLES.glob("*.yaml")} == {
        f"{name}.{e}" for name in WAREHOUSES for e in ("dev", "prod")
    }
