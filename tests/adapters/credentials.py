"""The generated profiles, read by the real dbt adapters. Run by `make test-adapters`, in an environment of its own."""

from __future__ import annotations

import dataclasses
import importlib
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dbt.config.profile import Profile
from dbt.config.renderer import ProfileRenderer
from dbt.exceptions import DbtProfileError
from dbt.flags import set_from_args
from dbt_common.context import set_invocation_context
from dbt_common.events.event_manager_client import get_event_manager
from pydantic import TypeAdapter

from floe_contracts.artifacts import Compute
from floe_contracts.compiled_computes import compiled_compute
from floe_contracts.placeholders import placeholder
from floe_contracts.platform import computes
from floe_contracts.plugins.targets import Property
from floe_dbt.environment import dbt_environment
from floe_dbt.profiles import WAREHOUSES, WarehouseFile, render_profile, write_profile
from floe_dbt.transient_failures import is_transient
from floe_dbt.versions import installed_tools, require_adapter

CASES = yaml.safe_load((Path(__file__).parents[2] / "libs/dbt/tests/profiles.yaml").read_text())
WRITTEN: TypeAdapter[computes.Compute] = TypeAdapter(computes.Compute)
NOBODY = "127.0.0.1"
FILE = WarehouseFile(Path("/data/shop.duckdb"), (Path("/src/shop"),))


def compiled(written: dict[str, Any]) -> Compute:
    return compiled_compute("wh", WRITTEN.validate_python(written))


COMPUTES = {case["name"]: compiled(case["compute"]) for case in CASES}


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the adapters warn of while they read a profile; filled as they do."""
    told: list[str] = []

    def tell(event: Any) -> None:
        if event.info.level in ("warn", "error"):
            told.append(event.info.msg)

    set_from_args(Namespace(), {})  # dbt's own flags, as in a command without options
    monkeypatch.setattr(get_event_manager(), "callbacks", [tell])
    return told


def output_of(compute: Compute) -> dict[str, Any]:
    output: dict[str, Any] = yaml.safe_load(render_profile("dev", compute, FILE))["floe"]["outputs"]["dev"]
    return output


def read(compute: Compute, output: dict[str, Any] | None = None) -> Any:
    """The credentials that dbt itself makes of a compute's output, with a value for every placeholder."""
    if (output or output_of(compute)).get("method") == "odbc":
        _skip_without_odbc()
    variables = {variable: f"value of {variable}" for variable in compute.secrets}
    set_invocation_context({**os.environ, **variables})
    os.environ.update(variables)  # dbt reads secrets from there
    profiles = {"floe": {"target": "dev", "outputs": {"dev": output or output_of(compute)}}}
    try:
        return Profile.from_raw_profiles(profiles, "floe", ProfileRenderer({})).credentials
    finally:
        for variable in variables:
            del os.environ[variable]


def _skip_without_odbc() -> None:
    try:
        importlib.import_module("pyodbc")
    except ImportError as error:
        pytest.skip(f"dbt-spark wants unixODBC for this, which no Python package brings: {error}")


def fields_of(credentials: Any) -> dict[str, Any]:
    """The fields of the credential class, also by the names that profiles have them by."""
    found = {field.name: getattr(credentials, field.name) for field in dataclasses.fields(credentials)}
    aliases = type(credentials)._ALIASES
    return found | {alias: found[name] for alias, name in aliases.items() if name in found}


def given(compute: Compute) -> Iterator[tuple[Property, Any]]:
    """The properties of a compute that its profile has, each with the value that dbt should come to."""
    row = WAREHOUSES[compute.type]
    mode = compute.properties[row.section]["mode"] if row.section else ""
    for entry in (*row.properties, *(row.modes[mode].properties if mode else ())):
        variable = placeholder(compute.name, entry.name)
        value: Any = compute.properties
        for part in entry.name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if variable in compute.secrets:
            yield entry, f"value of {variable}"
        elif value is not None:
            yield entry, value


def test_all_seven_adapters_are_installed() -> None:
    assert set(installed_tools().adapters) == set(WAREHOUSES)
    for compute in COMPUTES.values():
        require_adapter(compute)


@pytest.mark.parametrize("name", COMPUTES)
def test_the_adapter_takes_every_field(name: str, warnings: list[str]) -> None:
    """Every value arrives in the field of the credential class that the table names; none is unknown there."""
    compute = COMPUTES[name]
    credentials = read(compute)
    assert credentials.type == compute.type
    fields = fields_of(credentials)
    assert set(output_of(compute)) - {"type", "threads"} <= set(fields)
    for entry, value in given(compute):
        first, *rest = entry.output.split(".")
        found = fields[first]
        for part in rest:
            found = found[part]
        if entry.kind == "map":
            assert value.items() <= found.items()
        else:
            assert found == value, entry.name
    assert not warnings


@pytest.mark.parametrize("name", COMPUTES)
def test_what_the_adapter_requires_the_table_requires(name: str) -> None:
    """A field of the credential class without a default is a required property here, or always written."""
    compute = COMPUTES[name]
    row = WAREHOUSES[compute.type]
    mode = row.modes.get(compute.properties.get(row.section, {}).get("mode", ""))
    credentials = type(read(compute))
    needed = {
        field.name
        for field in dataclasses.fields(credentials)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    entries = (*row.properties, *(mode.properties if mode else ()))
    aliases = credentials._ALIASES
    written = {aliases.get(entry.output, entry.output) for entry in entries if entry.required}
    written |= {"path", "schema"} if compute.type == "duckdb" else set(mode.constants if mode else ())
    assert needed - written <= {"database"} if compute.type == "duckdb" else needed <= written


def test_what_an_adapter_warns_of_is_seen(warnings: list[str]) -> None:
    compute = COMPUTES["snowflake by OAuth"]
    output = output_of(compute)
    del output["authenticator"]
    read(compute, output)
    assert any("authenticator" in line.lower() for line in warnings)


@pytest.mark.parametrize("missing", ["host", "port", "user", "password", "schema", "dbname"])
def test_dbt_refuses_what_lacks_a_required_field(missing: str) -> None:
    """That the adapters take the outputs means something: they do not take everything."""
    compute = COMPUTES["postgres"]
    output = output_of(compute)
    del output[missing]
    with pytest.raises(DbtProfileError):
        read(compute, output)


@pytest.mark.parametrize("name", COMPUTES)
def test_dbt_parses_a_project_for_it(name: str, tmp_path: Path) -> None:
    """Parsing needs no warehouse, and dummies for the secrets will do; a model cannot read them."""
    compute = COMPUTES[name]
    if "odbc" in name:
        _skip_without_odbc()
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    (project / "dbt_project.yml").write_text("name: shop\nversion: '1.0'\nprofile: floe\n")
    (project / "models" / "orders.sql").write_text("select 1 as id, '{{ target.type }}' as made_by\n")
    profiles = tmp_path / "profiles"
    write_profile(
        profiles, environment="dev", compute=compute, database=tmp_path / "shop.duckdb", allowed_directories=[]
    )
    dummies = dict.fromkeys(compute.secrets, "dummy-of-a-secret")
    ended = subprocess.run(
        [Path(sys.executable).with_name("dbt"), "--no-use-colors", "parse", "--target-path", str(tmp_path / "target")],
        cwd=project,
        env=dbt_environment(os.environ, profiles_dir=profiles, secrets=dummies),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    manifest = (tmp_path / "target" / "manifest.json").read_text()
    assert f'"adapter_type": "{compute.type}"' in manifest
    assert "dummy-of-a-secret" not in manifest


def _elsewhere(name: str) -> dict[str, Any]:
    """A compute of platform.yaml that leads to a port where nobody listens."""
    common = {"type": name, "schema": "s", "threads": 1}
    password = {"mode": "password", "user": "u", "password": {"secretRef": "p"}}
    key = {
        "mode": "service_account_json",
        "clientEmail": "a@p.iam.gserviceaccount.com",
        "privateKey": {"secretRef": "k"},
        "tokenUri": f"http://{NOBODY}:1/token",
    }
    return {
        "postgres": {**common, "host": NOBODY, "port": 1, "user": "u", "password": {"secretRef": "p"}, "database": "d"},
        "redshift": {**common, "host": NOBODY, "port": 1, "credentials": password, "database": "d"},
        "snowflake": {**common, "account": "a", "host": NOBODY, "credentials": password, "database": "d"},
        "spark": {**common, "connection": {"mode": "thrift", "host": NOBODY, "port": 1}},
        "bigquery": {
            "type": name,
            "project": "p",
            "dataset": "d",
            "apiEndpoint": f"http://{NOBODY}:1",
            "credentials": key,
        },
    }[name]


@pytest.mark.parametrize("name", ["bigquery", "postgres", "redshift", "snowflake", "spark"])
def test_a_warehouse_where_nobody_listens_is_transient(name: str, tmp_path: Path) -> None:
    """As the adapter says it today; libs/dbt/tests/warehouse_failures.yaml keeps what it said when it was looked at.

    Not Databricks: its client tries for more than a quarter of an hour.
    """
    compute = compiled(_elsewhere(name))
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    (project / "dbt_project.yml").write_text("name: shop\nversion: '1.0'\nprofile: floe\n")
    (project / "models" / "orders.sql").write_text("select 1 as id\n")
    write_profile(
        tmp_path / "profiles",
        environment="dev",
        compute=compute,
        database=tmp_path / "d.duckdb",
        allowed_directories=[],
    )
    secrets = dict.fromkeys(compute.secrets, _private_key() if name == "bigquery" else "canary-of-a-secret")
    ended = subprocess.run(
        [Path(sys.executable).with_name("dbt"), "--no-use-colors", "run", "--target-path", str(tmp_path / "target")],
        cwd=project,
        env=dbt_environment(os.environ, profiles_dir=tmp_path / "profiles", secrets=secrets),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert ended.returncode != 0
    assert is_transient(ended.stdout, name), ended.stdout
    assert "canary-of-a-secret" not in ended.stdout + ended.stderr


def _private_key() -> str:
    made = rsa.generate_private_key(65537, 2048)
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
