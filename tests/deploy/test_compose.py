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
    assert set(document["services"]) == {"nats", "topology", *SERVICES}
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


def test_only_the_gateway_is_reached_from_outside_and_from_this_machine_alone(document: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in document["services"].items() if "ports" in service}
    assert list(published) == ["gateway"]
    assert all(port.startswith("127.0.0.1:") for port in published["gateway"])


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
