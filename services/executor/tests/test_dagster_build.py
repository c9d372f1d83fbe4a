"""What a build hands to dbt."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from floe_chassis.errors import SecretMissing
from floe_chassis.secrets import mounted_secrets
from floe_contracts.artifacts import CompiledArtifacts, Compute
from floe_contracts.nodes import NodeGraph
from floe_contracts.runs import RunRecord
from floe_dbt.child_limits import ChildLimits
from floe_dbt.warm_dbt import WarmDbt
from floe_executor.adapters.building.dagster_build import DagsterBuilder
from floe_executor.adapters.building.dbt_process import DbtCommand
from floe_executor.adapters.dagster_graph.runs import DagsterRuns
from floe_executor.core.ports import BuildRequest

CANARY = "canary-5b21f0"
WAREHOUSE = Compute(
    name="wh",
    type="postgres",
    threads=1,
    properties={"host": "db", "port": 5432, "database": "shop", "schema_name": "public"},
    secrets={"DBT_ENV_SECRET_FLOE_WH__PASSWORD": "pg-password", "DBT_ENV_SECRET_FLOE_WH__USER": "pg-user"},
)
OTHER = Compute(
    name="lake",
    type="databricks",
    threads=1,
    properties={"host": "db", "http_path": "p", "schema_name": "s", "credentials": {"mode": "token"}},
    secrets={"DBT_ENV_SECRET_FLOE_LAKE__TOKEN": "db-token"},
)


@pytest.fixture
def command(artifact: CompiledArtifacts, run_record: RunRecord, tmp_path: Path) -> Callable[..., DbtCommand]:
    """The command of a build in `WAREHOUSE`, with `OTHER` for some models; the argument is the environment."""
    environment = artifact.environments["dev"].model_copy(update={"compute": WAREHOUSE, "computes": {"heavy": OTHER}})
    request = BuildRequest(
        run_record, artifact, environment, NodeGraph(project="shop", nodes=(), checks=()), {}, tmp_path / "project"
    )

    def make(variables: dict[str, str]) -> DbtCommand:
        builder = DagsterBuilder(
            WarmDbt(tmp_path / "dbt"),
            DagsterRuns(tmp_path / "dagster"),
            tmp_path / "builds",
            lambda place: tmp_path / "warehouse" / f"{place.product}.duckdb",
            lambda tenant: mounted_secrets(variables, tmp_path / "secrets"),
            ChildLimits(),
        )
        return builder._command(request)

    return make


def test_only_dbts_environment_holds_the_secrets(command: Callable[..., DbtCommand], tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "db-token").write_text(f"{CANARY}-token\n")
    made = command({"PG_PASSWORD": f"{CANARY}-password", "PG_USER": "loader", "OTHER": "x"})
    own = {name: value for name, value in made.environment.items() if name.startswith("DBT_ENV_SECRET_")}
    assert own == {
        "DBT_ENV_SECRET_FLOE_WH__PASSWORD": f"{CANARY}-password",
        "DBT_ENV_SECRET_FLOE_WH__USER": "loader",
        "DBT_ENV_SECRET_FLOE_LAKE__TOKEN": f"{CANARY}-token",
    }
    assert not {"PG_PASSWORD", "PG_USER", "OTHER"} & made.environment.keys()
    assert not own.keys() & os.environ.keys()
    written = [file for file in (tmp_path / "builds").rglob("*") if file.is_file()]
    assert [file.name for file in written] == ["profiles.yml"]
    profile = written[0].read_text()
    assert CANARY not in profile
    assert "dev__heavy:" in profile
    assert "env_var(''DBT_ENV_SECRET_FLOE_LAKE__TOKEN'')" in profile
    assert CANARY not in " ".join(made.arguments)


def test_a_missing_secret_names_both_places(command: Callable[..., DbtCommand], tmp_path: Path) -> None:
    with pytest.raises(SecretMissing) as refused:
        command({"PG_USER": "loader"})
    assert refused.value.message == (
        f"there is no secret 'pg-password': neither a variable PG_PASSWORD nor a file {tmp_path}/secrets/pg-password"
    )
