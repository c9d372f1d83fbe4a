"""Secrets: in which store, under which name, and what is told where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from floe_chassis.errors import SecretMissing, SecretUnusable
from floe_chassis.secret_stores import MAX_BYTES
from floe_chassis.secrets import mounted_secrets, of_tenants, open_secrets
from floe_contracts.errors import DocumentInvalid
from floe_contracts.plugins.conformance import SecretStoreConformance
from floe_contracts.plugins.errors import PluginUnknown

SECRET = "canary-91c2fe"


class TestEnvironment(SecretStoreConformance):
    name = "environment"

    @pytest.fixture
    def secrets(self) -> Mapping[str, str]:
        return {"warehouse-password": SECRET}

    @pytest.fixture
    def environment(self) -> Mapping[str, str]:
        return {"WAREHOUSE_PASSWORD": SECRET}


class TestMounted(SecretStoreConformance):
    name = "mounted"

    @pytest.fixture
    def options(self, tmp_path: Path) -> Mapping[str, Any]:
        (tmp_path / "warehouse-password").write_text(f"{SECRET}\n")
        return {"folder": str(tmp_path)}

    @pytest.fixture
    def secrets(self) -> Mapping[str, str]:
        return {"warehouse-password": SECRET}


def test_stores_are_asked_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("of the file")
    options = {"mounted": {"folder": str(tmp_path)}}
    assert open_secrets(["environment", "mounted"], {"A": "of the variable"}, options)("a") == "of the variable"
    assert open_secrets(["mounted", "environment"], {"A": "of the variable"}, options)("a") == "of the file"
    assert open_secrets(["environment", "mounted"], {"A": ""}, options)("a") == "of the file"
    assert mounted_secrets({}, tmp_path)("a") == "of the file"


def test_the_environment_sets_the_options_of_a_store(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("found\r\n")
    environment = {"FLOE_SECRET_STORE_MOUNTED_FOLDER": str(tmp_path)}
    assert open_secrets(["mounted"], environment, {"mounted": {"folder": "/elsewhere"}})("a") == "found"
    with pytest.raises(DocumentInvalid):
        open_secrets(["mounted"], {}, {"mounted": {"foldr": "x"}})


def test_a_missing_secret_is_told_with_every_place(tmp_path: Path) -> None:
    with pytest.raises(SecretMissing) as missing:
        mounted_secrets({}, tmp_path)("warehouse-password")
    assert missing.value.message == (
        "there is no secret 'warehouse-password': neither a variable WAREHOUSE_PASSWORD "
        f"nor a file {tmp_path}/warehouse-password"
    )
    with pytest.raises(SecretMissing, match="not a variable A"):
        open_secrets(["environment"], {})("a")


@pytest.mark.parametrize("name", ["../up", "", "floe-nats-seed", "a" * 300])
def test_some_names_are_none(name: str, tmp_path: Path) -> None:
    with pytest.raises(SecretUnusable, match="cannot be the name"):
        mounted_secrets({"FLOE_NATS_SEED": "seed"}, tmp_path)(name)


def test_a_secret_that_cannot_be_handed_on_is_refused_without_showing_it(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_text("x" * (MAX_BYTES + 1))
    (tmp_path / "zero").write_text(f"{SECRET}\0")
    secrets = mounted_secrets({}, tmp_path)
    for name in ("binary", "large", "zero"):
        with pytest.raises(SecretUnusable) as refused:
            secrets(name)
        assert SECRET not in str(refused.value)


def test_a_store_that_is_not_installed_is_told() -> None:
    with pytest.raises(PluginUnknown, match="no secret store 'vault'"):
        open_secrets(["vault"], {})


VAULT = """
from floe_contracts.plugins.metadata import PluginMetadata
from floe_contracts.sections import Section


class Options(Section):
    prefix: str = ""


class Store:
    def __init__(self, prefix):
        self.prefix = prefix

    def find(self, name):
        return f"{self.prefix}{name}" if name == "a" else None

    def place(self, name):
        return f"a drawer {name}"


class Plugin:
    metadata = PluginMetadata("vault", "0.1.0", "1.0", "A vault.")
    options = Options

    def store(self, options, environment):
        return Store(options.prefix)
"""


def test_somebody_elses_store_is_asked_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "acme_drawer-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-drawer\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[floe.secrets]\nvault = acme_drawer:Plugin\n")
    (tmp_path / "acme_drawer.py").write_text(VAULT)
    monkeypatch.syspath_prepend(tmp_path)
    secrets = open_secrets(["environment", "vault"], {"B": "of the variable", "FLOE_SECRET_STORE_VAULT_PREFIX": "v-"})
    assert (secrets("a"), secrets("b")) == ("v-a", "of the variable")
    with pytest.raises(SecretMissing, match="neither a variable C nor a drawer c"):
        secrets("c")


def test_a_tenant_reads_its_own_secret_or_the_shared_one_and_never_anothers(tmp_path: Path) -> None:
    (tmp_path / "acme--lake-keys").write_text("of acme")
    secrets = of_tenants(mounted_secrets({"LAKE_KEYS": "shared", "GLOBEX__LAKE_KEYS": "of globex"}, tmp_path))

    told = {tenant: secrets(tenant)("lake-keys") for tenant in ("acme", "globex", "initech", "Acme", "acme-", "floe")}
    assert told == {
        "acme": "of acme", "globex": "of globex", "initech": "shared", "Acme": "shared", "acme-": "shared",
        "floe": "shared",
    }  # fmt: skip
    for name in ("acme--lake-keys", "acme__lake_keys", "acme-_lake-keys"):
        with pytest.raises(SecretUnusable, match="of one tenant alone"):
            secrets("globex")(name)


def test_a_secret_that_a_tenant_misses_is_told_with_every_place(tmp_path: Path) -> None:
    with pytest.raises(SecretMissing) as missing:
        of_tenants(mounted_secrets({}, tmp_path))("acme")("keys")
    assert missing.value.message == (
        f"there is no secret 'keys': neither a variable KEYS nor a file {tmp_path}/keys; "
        "nor is there 'acme--keys' for the tenant alone"
    )
