"""What dbt may see of the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from floe_dbt.environment import client_environment, dbt_environment

HOST = {
    "PATH": "/bin",
    "HOME": "/home/me",
    "LANG": "C.UTF-8",
    "LC_ALL": "C",
    "TZ": "UTC",
    "TMPDIR": "/scratch",
    "AWS_SECRET_ACCESS_KEY": "no",
    "DBT_CLOUD_API_KEY": "no",
    "DBT_ENV_SECRET_OTHER": "no",
    "FLOE_NATS_SEED": "no",
    "FLOE_DBT_SOCKET": "no",
    "PYTHONPATH": "no",
}
SYSTEM = {name: value for name, value in HOST.items() if value != "no"}


def test_only_the_allow_list_and_what_floe_sets():
    secrets = {"DBT_ENV_SECRET_FLOE_PASSWORD": "s3cret"}
    assert dbt_environment(HOST, profiles_dir=Path("/profiles"), secrets=secrets) == {
        **SYSTEM,
        **secrets,
        "DBT_PROFILES_DIR": "/profiles",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }


def test_secret_that_a_model_could_read_is_refused():
    with pytest.raises(ValueError, match="DBT_ENV_SECRET_FLOE_"):
        dbt_environment(HOST, profiles_dir=Path("/profiles"), secrets={"SNOWFLAKE_PASSWORD": "s3cret"})


def test_client_passes_what_dagster_and_floe_set():
    told = {"DBT_TARGET_PATH": "/t", "DBT_LOG_FORMAT": "json", "DBT_ENV_SECRET_FLOE_PASSWORD": "s3cret"}
    own = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    assert client_environment({**HOST, **told, "DBT_SEND_ANONYMOUS_USAGE_STATS": "true"}) == {**SYSTEM, **told, **own}
