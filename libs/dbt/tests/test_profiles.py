"""Generated profiles: every warehouse, every way in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from floe_contracts.artifacts import Compute
from floe_contracts.compiled_computes import compiled_compute
from floe_contracts.placeholders import PLACEHOLDER_PREFIX, placeholder
from floe_contracts.platform import computes
from floe_dbt.environment import SECRET_PREFIX
from floe_dbt.errors import DbtAdapterMissing, DbtProfileInvalid
from floe_dbt.profiles import WAREHOUSES, WarehouseFile, render_profile, write_profile
from floe_dbt.versions import require_adapter

FILE = WarehouseFile(Path("/data/shop.duckdb"), (Path("/src/shop"),))
CASES = yaml.safe_load(Path(__file__).with_name("profiles.yaml").read_text())
WRITTEN: TypeAdapter[computes.Compute] = TypeAdapter(computes.Compute)
POSTGRES = Compute(
    name="wh",
    type="postgres",
    threads=2,
    properties={"host": "db", "port": 5432, "user": "me", "database": "shop", "schema_name": "public"},
    secrets={"DBT_ENV_SECRET_FLOE_WH__PASSWORD": "pg-password"},
)


def compiled(written: dict[str, Any], name: str = "wh") -> Compute:
    return compiled_compute(name, WRITTEN.validate_python(written))


def outputs(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text)["floe"]["outputs"]
    return found


def problems(compute: Compute, **others: Compute) -> list[str]:
    with pytest.raises(DbtProfileInvalid) as refused:
        render_profile("dev", compute, FILE, others=others)
    assert refused.value.code == "FLOE-DBT-030"
    assert {problem.code for problem in refused.value.problems} == {"FLOE-DBT-031"}
    return [str(problem).removeprefix("FLOE-DBT-031 ") for problem in refused.value.problems]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_output(case):
    compute = compiled(case["compute"])
    assert compute.secrets == case.get("secrets", {})
    assert outputs(render_profile("dev", compute, FILE)) == {"dev": case["output"]}


def test_cases_cover_every_mode_and_every_property():
    modes = {(name, mode) for name, row in WAREHOUSES.items() for mode in row.modes or ("",)}
    wanted = {
        (name, mode, entry.name)
        for name, row in WAREHOUSES.items()
        for mode in row.modes or ("",)
        for entry in (*row.properties, *(row.modes[mode].properties if mode else ()))
    }
    seen = set()
    for case in CASES:
        compute = compiled(case["compute"])
        row = WAREHOUSES[compute.type]
        mode = compute.properties[row.section]["mode"] if row.section else ""
        modes.discard((compute.type, mode))
        for entry in (*row.properties, *(row.modes[mode].properties if mode else ())):
            value: Any = compute.properties
            for part in entry.name.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            if value is not None or placeholder("wh", entry.name) in compute.secrets:
                seen.add((compute.type, entry.name))
    assert not modes
    assert {(name, entry) for name, _, entry in wanted} == seen


def test_the_profile_names_the_environment_and_its_other_computes():
    other = compiled({"type": "duckdb", "memoryLimit": "8GB"}, name="large")
    text = render_profile("prod", POSTGRES, FILE, others={"heavy": other})
    document = yaml.safe_load(text)
    assert list(document) == ["floe"]
    assert document["floe"]["target"] == "prod"
    assert list(outputs(text)) == ["prod", "prod__heavy"]
    assert outputs(text)["prod__heavy"]["config_options"] == {"memory_limit": "8GB"}
    assert outputs(text)["prod"]["host"] == "db"


def test_profile_of_an_artifacts_compute(tmp_path):
    compute = Compute(name="small", type="duckdb", threads=3, properties={"memory_limit": "1GB"})
    folder = tmp_path / "profiles"
    file = write_profile(
        folder, environment="dev", compute=compute, database=FILE.database, allowed_directories=[tmp_path]
    )
    output = outputs(file.read_text())["dev"]
    assert file == folder / "profiles.yml"
    assert (output["threads"], output["config_options"]) == (3, {"memory_limit": "1GB"})
    assert output["plugins"][0]["config"] == {"allowed_directories": [str(tmp_path)]}


def test_all_problems_at_once():
    compute = Compute(
        name="wh",
        type="redshift",
        threads=1,
        properties={
            "host": 5,
            "port": "5439",
            "ra3_node": "yes",
            "databse": "shop",
            "schema_name": "{{ env_var('HOME') }}",
            "credentials": {"mode": "iam", "db_groups": "all", "secret_access_key": "hunter2"},
        },
        secrets={"DBT_ENV_SECRET_FLOE_WH__REGION": "region", "DBT_ENV_SECRET_FLOE_OTHER__USER": "user"},
    )
    assert problems(compute) == [
        "compute.wh.host: host takes a text, not 5",
        "compute.wh.port: port takes a whole number, not '5439'",
        "compute.wh.ra3_node: ra3_node takes true or false, not 'yes'",
        "compute.wh.databse: there is no property 'databse' (hint: did you mean 'database'?)",
        "compute.wh.schema_name: schema_name may not hold Jinja",
        "compute.wh.credentials.db_groups: credentials.db_groups takes a list of texts, not 'all'",
        "compute.wh.credentials.secret_access_key: credentials.secret_access_key is a secret, and may only be named",
        "compute.wh.DBT_ENV_SECRET_FLOE_WH__REGION: redshift has no place for this secret",
        "compute.wh.DBT_ENV_SECRET_FLOE_OTHER__USER: redshift has no place for this secret",
        "compute.wh.credentials.user: credentials.user is missing",
        "compute.wh.database: database is missing",
    ]


@pytest.mark.parametrize(
    "value", [{"spark.{{ x }}": "1"}, {"spark.x": "{% if x %}"}, {"spark.x": "{# x #}"}], ids=["key", "tag", "comment"]
)
def test_jinja_is_refused_anywhere(value):
    compute = compiled({"type": "spark", "schema": "shop", "connection": {"mode": "session"}})
    compute = compute.model_copy(update={"properties": compute.properties | {"server_side_parameters": value}})
    assert problems(compute) == ["compute.wh.server_side_parameters: server_side_parameters may not hold Jinja"]


def test_problems_of_another_compute_are_told_as_well():
    other = POSTGRES.model_copy(update={"name": "large", "secrets": {}})
    assert problems(POSTGRES, heavy=other) == ["compute.large.password: password is missing"]


def test_unknown_compute_and_unknown_mode():
    assert problems(Compute(name="wh", type="duckdbb", threads=1)) == [
        "compute.wh.type: there is no compute of type 'duckdbb' (hint: did you mean 'duckdb'?)"
    ]
    compute = Compute(name="wh", type="snowflake", threads=1, properties={"credentials": {"mode": "keypair"}})
    assert problems(compute) == [
        "compute.wh.credentials.mode: snowflake has no such way in: 'keypair' (hint: did you mean 'key_pair'?)"
    ]


@pytest.mark.parametrize("path", ["shop.duckdb", "/data/{{ env_var('HOME') }}/shop.duckdb"])
def test_path_that_dbt_would_read_otherwise_is_refused(path):
    with pytest.raises(ValueError, match="not an absolute path without Jinja"):
        render_profile("dev", POSTGRES, WarehouseFile(Path(path)))


def test_an_adapter_that_is_not_installed_has_its_own_error():
    require_adapter(compiled({"type": "duckdb"}))
    with pytest.raises(DbtAdapterMissing) as refused:
        require_adapter(Compute(name="wh", type="nowhere", threads=1))
    assert str(refused.value) == (
        "FLOE-DBT-032 compute.wh.type: the dbt adapter for nowhere is not installed "
        "(hint: install dbt-nowhere beside floe's compiler and executor, or choose another compute)"
    )


def test_placeholders_have_the_prefix_that_models_cannot_read():
    assert PLACEHOLDER_PREFIX == SECRET_PREFIX
