from __future__ import annotations

from pathlib import Path

import yaml

from floe_contracts.artifacts import Compute
from floe_dbt import lake_package
from floe_dbt.attached_catalog import AttachedCatalog
from floe_dbt.profiles import write_profile

SECRET = "{{ env_var('DBT_ENV_SECRET_FLOE_ATTACHED_CATALOG__CLIENT_SECRET') }}"


def test_a_profile_attaches_the_catalog_and_holds_no_secret(tmp_path: Path) -> None:
    attached = AttachedCatalog(
        endpoint="https://catalog.example.com",
        warehouse="lake",
        secret={"client_id": "floe", "client_secret": SECRET},
        storage=["s3://lake/"],
        extensions=[Path("/extensions/iceberg.duckdb_extension")],
    )
    compute = Compute(name="small", type="duckdb", threads=1, properties={"memory_limit": "1GB"})

    written = write_profile(
        tmp_path,
        environment="dev",
        compute=compute,
        database=tmp_path / "shop.duckdb",
        allowed_directories=[tmp_path],
        attached=attached,
    )

    (plugin,) = yaml.safe_load(written.read_text())["floe"]["outputs"]["dev"]["plugins"]
    assert plugin == {
        "module": "floe_dbt.duckdb_sandbox",
        "config": {
            "allowed_directories": [str(tmp_path)],
            "catalog": {
                "endpoint": "https://catalog.example.com",
                "warehouse": "lake",
                "secret": {"client_id": "floe", "client_secret": SECRET},
                "options": {},
                "storage": ["s3://lake/"],
                "extensions": ["/extensions/iceberg.duckdb_extension"],
            },
        },
    }


def test_the_package_is_put_into_a_project_once_and_mended_when_it_differs(tmp_path: Path) -> None:
    lake_package.install(tmp_path)
    macro = tmp_path / "dbt_packages/floe_lake/macros/iceberg_table.sql"
    written = macro.stat().st_mtime_ns

    lake_package.install(tmp_path)
    assert macro.stat().st_mtime_ns == written

    macro.write_text("something else")
    lake_package.install(tmp_path)
    assert "materialization iceberg_table" in macro.read_text()
    assert (
        yaml.safe_load((tmp_path / "dbt_packages/floe_lake/dbt_project.yml").read_text())["name"] == lake_package.NAME
    )
