"""`floe` in this process, and a product to call it on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from floe_chassis.settings import ChassisSettings
from floe_cli.main import run_command
from floe_contracts.digests import digest_of
from floe_contracts.events import ArtifactCompiled

FLOE_YAML = """\
apiVersion: floe.dev/v1
kind: FloeSpec
metadata: {name: shop, version: 1.0.0, owner: shop@example.com}
transforms: [{type: dbt, path: dbt}]
"""
SHOP = {
    "floe.yaml": FLOE_YAML,
    "dbt/dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: floe\nmodels: {shop: {+materialized: table}}\n",
    "dbt/models/orders.sql": "select 1 as id, 'ann' as customer",
    "dbt/models/schema.yml": """\
models:
  - name: orders
    config: {meta: {floe: {expose: true}}}
    columns: [{name: id, data_tests: [unique, not_null]}]
""",
}
PLATFORM_YAML = """\
apiVersion: floe.dev/v1
kind: PlatformSpec
metadata: {name: local, version: 1.0.0, owner: platform@example.com}
environments:
  prod: {profiles: {default: {compute: duckdb, storage: local, catalog: local}}}
  staging: {profiles: {default: {compute: duckdb, storage: local, catalog: local}}}
compute: {duckdb: {type: duckdb}}
storage: {local: {type: local}}
catalogs: {local: {type: sql}}
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


@pytest.fixture
def floe(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run `floe` with the arguments; never a traceback. From a coroutine through `asyncio.to_thread`."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = run_command([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return Outcome(code, said.out, said.err)

    return run


@pytest.fixture(autouse=True)
def _no_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FLOE_NATS_URL", "FLOE_BLOBS_URL", "FLOE_TENANT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def configured(bus_settings: ChassisSettings, monkeypatch: pytest.MonkeyPatch) -> ChassisSettings:
    """The environment names the test's bus and blob store."""
    monkeypatch.setenv("FLOE_NATS_URL", bus_settings.nats_url)
    monkeypatch.setenv("FLOE_BLOBS_URL", bus_settings.blobs_url or "")
    return bus_settings


@pytest.fixture
def product(tmp_path: Path) -> Callable[..., Path]:
    """Makes a product's folder; a file that is None is left out."""

    def make(changes: Mapping[str, str | bytes | None] | None = None, name: str = "shop") -> Path:
        folder = tmp_path / name
        for path, content in (SHOP | dict(changes or {})).items():
            if content is not None:
                file = folder / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder

    return make


@pytest.fixture
def platform_yaml() -> str:
    """A platform without an environment dev."""
    return PLATFORM_YAML


@pytest.fixture
def compiled() -> ArtifactCompiled:
    return ArtifactCompiled(
        tenant="default",
        product="shop",
        submission="s1",
        artifact_digest=digest_of(b"artifact"),
        artifact={"sources": {"bundle": digest_of(b"bundle")}, "serving": {"cube": True}},
        seconds=0.5,
    )
