"""`floe profiles`."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from floe_cli.exit_codes import ExitCode

Floe = Callable[..., Any]
MakeProduct = Callable[..., Path]

FLOE_YAML = """\
apiVersion: floe.dev/v1
kind: FloeSpec
metadata: {name: my-shop, version: 1.0.0, owner: shop@example.com}
transforms: [{type: dbt, path: dbt, models: {orders: {compute: heavy}}}]
"""
PLATFORM_YAML = """\
apiVersion: floe.dev/v1
kind: PlatformSpec
metadata: {name: local, version: 1.0.0, owner: platform@example.com}
environments:
  dev: {profiles: {default: {compute: duckdb, storage: local, catalog: local}}}
  prod:
    profiles:
      default: {compute: warehouse, storage: local, catalog: local}
      heavy: {compute: duckdb, storage: local, catalog: local}
compute:
  duckdb: {type: duckdb}
  warehouse:
    type: postgres
    host: db.internal
    user: loader
    password: {secretRef: pg-password}
    database: shop
    schema: public
storage: {local: {type: local}}
catalogs: {local: {type: sql}}
"""
FILES = {"floe.yaml": FLOE_YAML, "platform.yaml": PLATFORM_YAML}


def test_the_profile_is_printed_with_placeholders(
    floe: Floe, product: MakeProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = product(FILES)
    monkeypatch.setenv("PG_PASSWORD", "canary-4c19")
    said = floe("profiles", folder, "--environment", "prod")
    assert (said.code, said.err) == (ExitCode.OK, "")
    assert "canary" not in said.out
    profile = yaml.safe_load(said.out)["floe"]
    assert (profile["target"], list(profile["outputs"])) == ("prod", ["prod", "prod__heavy"])
    assert profile["outputs"]["prod"]["password"] == "{{ env_var('DBT_ENV_SECRET_FLOE_WAREHOUSE__PASSWORD') }}"
    duckdb = profile["outputs"]["prod__heavy"]
    assert duckdb["path"] == str(folder / ".floe/warehouse/default/prod/my_shop.duckdb")
    assert duckdb["plugins"][0]["config"] == {"allowed_directories": [str(folder / "dbt")]}
    assert not (folder / ".floe").exists()


def test_a_product_without_a_platform_has_the_embedded_one(floe: Floe, product: MakeProduct) -> None:
    said = floe("profiles", product())
    assert yaml.safe_load(said.out)["floe"]["outputs"]["dev"]["type"] == "duckdb"


@pytest.mark.parametrize("command", [("profiles", "-e", "dev"), ("validate",)])
def test_a_name_that_an_environment_has_not_is_told_where_it_stands(
    floe: Floe, product: MakeProduct, command: tuple[str, ...]
) -> None:
    folder = product(FILES)
    said = floe(*command, folder)
    assert (said.code, said.out) == (ExitCode.INVALID_DOCUMENT, "")
    assert f"error FLOE-CLI-004 {folder}/floe.yaml:4:55 (transforms.0.models.orders.compute)" in said.err
    assert "the environment 'dev' of the platform has no profile 'heavy'" in said.err
    assert "hint: known are: default" in said.err


def test_where_the_generator_is_not_installed_the_extra_is_named(
    floe: Floe, product: MakeProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = builtins.__import__

    def without_dbt(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name.startswith("floe_dbt"):
            raise ImportError(name)
        return imported(name, *arguments, **keywords)

    folder = product()
    monkeypatch.setattr(builtins, "__import__", without_dbt)
    said = floe("profiles", folder)
    assert said.code == ExitCode.WRONG_USAGE
    assert "install floe-cli[embedded]" in said.err
