"""docker-compose.yml: complete, closed as far as it goes, and accepted by the real docker compose."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import subprocess
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from floe_catalog.settings import CatalogSettings
from floe_chassis.secret_stores import MOUNTED_FOLDER
from floe_chassis.settings import load_settings

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
SERVICES = ("gateway", "compiler", "executor", "catalog", "semantic", "lineage")
CUBE = ("cube", "cubestore")
WHERE = "docker compose v2 is not here: it comes with Docker's own packages, or from Debian 13's package docker-compose"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return loaded


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What docker compose needs to be told."""
    (tmp_path / "nats.env").touch()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FLOE_")}
    return kept | {"FLOE_TAG": "0.1.0", "FLOE_GATEWAY_TOKEN": "a token", "FLOE_KEYS": str(tmp_path)}


def compose(environment: dict[str, str], *arguments: str, file: Path = FILE) -> subprocess.CompletedProcess[str]:
    command = ["docker", "compose", "--project-directory", str(ROOT), "-f", str(file), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def plugin(environment: dict[str, str]) -> None:
    if shutil.which("docker") is None or compose(environment, "version").returncode != 0:
        pytest.skip(WHERE)


def test_every_service_that_can_be_installed_is_there(document: dict[str, Any]) -> None:
    assert {entry.name for entry in entry_points(group="floe.services")} == set(SERVICES)
    assert set(document["services"]) == {"nats", "topology", *SERVICES, *CUBE}
    for service in SERVICES:
        assert document["services"][service]["command"] == [service]
        assert f"-{service}:${{FLOE_TAG:?" in document["services"][service]["image"]


def test_every_container_is_closed_and_watched(document: dict[str, Any]) -> None:
    for name, service in document["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["healthcheck"], name
        assert "privileged" not in service, name


def test_each_service_has_the_key_of_its_own_identity_alone(document: dict[str, Any]) -> None:
    for service in SERVICES:
        assert document["services"][service]["secrets"] == [{"source": service, "target": "seed"}]
    assert document["services"]["topology"]["secrets"] == [{"source": "operator", "target": "seed"}]


def test_gateway_and_cube_are_reached_from_outside_and_from_this_machine_alone(document: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in document["services"].items() if "ports" in service}
    assert list(published) == ["gateway", "cube"]
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_cube_is_the_version_that_tests_run_and_starts_where_it_is_asked_for(document: dict[str, Any]) -> None:
    package = json.loads((ROOT / "deploy/cube/package.json").read_text())
    version = package["devDependencies"]["@cubejs-backend/server"]
    for name in CUBE:
        assert document["services"][name]["image"] == f"cubejs/{name}:v{version}"
        assert document["services"][name]["profiles"] == ["cube"]


def test_cube_store_has_no_password_and_is_reached_by_cube_alone(document: dict[str, Any]) -> None:
    reached = {name: service.get("networks", ["default"]) for name, service in document["services"].items()}
    assert reached["cubestore"] == ["cube"]
    assert reached["cube"] == ["default", "cube"]
    assert {tuple(names) for name, names in reached.items() if name not in CUBE} == {("default",)}
    assert document["networks"]["cube"]["internal"] is True


def test_cube_has_all_files_of_its_configuration_and_asks_the_semantic_service(document: dict[str, Any]) -> None:
    cube, semantic = document["services"]["cube"], document["services"]["semantic"]
    mounted = {volume.split(":")[0] for volume in cube["volumes"] if volume.startswith("./")}
    assert mounted == {"./deploy/cube/cube.js", "./deploy/cube/floe"}
    assert all((ROOT / path).exists() for path in mounted)
    assert all(volume.endswith(":ro") for volume in cube["volumes"])
    assert cube["environment"]["FLOE_SEMANTIC_URL"] == "http://semantic:8080"
    assert semantic["environment"]["FLOE_HTTP_HOST"] == "0.0.0.0"  # noqa: S104 - inside its container
    assert cube["environment"]["FLOE_CUBE_TOKEN"] == semantic["environment"]["FLOE_SEMANTIC_CUBE_TOKEN"]
    settings = (ROOT / "deploy/cube/floe/settings.js").read_text()
    assert all(name in settings for name in cube["environment"] if name.startswith("FLOE_"))


def test_cube_reads_the_file_that_the_catalog_service_writes(document: dict[str, Any]) -> None:
    written = document["services"]["catalog"]["environment"]["FLOE_CATALOG_SERVE_DIR"]
    assert document["services"]["cube"]["environment"]["FLOE_SERVE_DATABASE"].startswith(f"{written}/")
    assert f"serve:{written}" in document["services"]["catalog"]["volumes"]
    assert f"serve:{written}:ro" in document["services"]["cube"]["volumes"]


def test_every_variable_is_a_setting_of_its_service(document: dict[str, Any]) -> None:
    shared = known("floe_chassis")
    for name in SERVICES:
        unknown = set(document["services"][name]["environment"]) - shared - known(f"floe_{name}")
        assert not unknown, name


def known(package: str) -> set[str]:
    """The variables that a package's settings read."""
    if importlib.util.find_spec(f"{package}.settings") is None:
        return set()
    module = importlib.import_module(f"{package}.settings")
    models = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, BaseSettings)]
    return {f"{model.model_config.get('env_prefix')}{name}".upper() for model in models for name in model.model_fields}


def test_a_read_only_container_writes_into_volumes_alone(document: dict[str, Any]) -> None:
    for name in SERVICES:
        service = document["services"][name]
        mounted = {volume.split(":")[1] for volume in service["volumes"] if not volume.endswith(":ro")}
        written = [value.split("//")[-1] for value in service["environment"].values() if "/data/" in str(value)]
        for place in written:
            assert any(f"/{place.lstrip('/')}".startswith(folder) for folder in mounted) or place == "/data/blobs", name


def test_services_that_open_catalogs_find_their_secrets_and_no_others(document: dict[str, Any]) -> None:
    for name in SERVICES:
        mounts = [volume for volume in document["services"][name]["volumes"] if "secrets" in volume]
        own = f"${{FLOE_SECRETS:-.floe/secrets}}/{name}:{MOUNTED_FOLDER}:ro"
        assert mounts == ([own] if name in {"executor", "catalog"} else []), name


def test_the_catalog_service_is_given_every_setting_of_the_server_that_it_administers(document: dict[str, Any]) -> None:
    given = document["services"]["catalog"]["environment"]
    settings = {name for name in known("floe_catalog") if "POLARIS" in name}
    assert settings
    assert settings <= set(given)
    unset = dict.fromkeys(settings, "") | {"FLOE_CATALOG_URI": "sqlite://", "FLOE_CATALOG_WAREHOUSE": "/lake"}
    assert load_settings(CatalogSettings, unset).polaris_uri is None  # as compose gives them where nobody sets them


@pytest.mark.usefixtures("plugin")
def test_docker_compose_accepts_the_file(environment: dict[str, str]) -> None:
    accepted = compose(environment, "config", "--format", "json")
    assert accepted.returncode == 0, accepted.stderr
    resolved = json.loads(accepted.stdout)["services"]
    assert resolved["compiler"]["image"] == "floe-compiler:0.1.0"
    assert resolved["gateway"]["ports"][0]["host_ip"] == "127.0.0.1"
    assert resolved["catalog"]["environment"]["FLOE_CATALOG_POLARIS_URI"] == ""
    assert "cube" not in resolved


@pytest.mark.usefixtures("plugin")
def test_docker_compose_accepts_cube_where_it_is_asked_for(environment: dict[str, str]) -> None:
    told = environment | {"FLOE_PRODUCT": "orders", "FLOE_CUBE_TOKEN": "a token", "CUBEJS_API_SECRET": "a secret"}
    accepted = compose(told, "--profile", "cube", "config", "--format", "json")
    assert accepted.returncode == 0, accepted.stderr
    cube = json.loads(accepted.stdout)["services"]["cube"]
    assert cube["environment"]["FLOE_SERVE_DATABASE"] == "/data/serve/default/dev/orders/serve.duckdb"
    assert {port["host_ip"] for port in cube["ports"]} == {"127.0.0.1"}


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("variable", ["FLOE_TAG", "FLOE_GATEWAY_TOKEN"])
def test_docker_compose_asks_for_what_must_be_set(environment: dict[str, str], variable: str) -> None:
    del environment[variable]
    refused = compose(environment, "config", "-q")
    assert refused.returncode != 0
    assert f"set {variable}" in refused.stderr


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(
    ("right", "wrong"), [("    healthcheck:", "    helthcheck:"), ("  nats: {cond", "  gnats: {cond")]
)
def test_docker_compose_finds_mistakes(environment: dict[str, str], tmp_path: Path, right: str, wrong: str) -> None:
    broken = tmp_path / "docker-compose.yml"
    assert right in FILE.read_text()
    broken.write_text(FILE.read_text().replace(right, wrong, 1))
    assert compose(environment, "config", "-q", file=broken).returncode != 0
