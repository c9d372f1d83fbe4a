"""Plugins are found by their entry points, made anew, and refused by name when something is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from floe_contracts.documents.placed import Unplaced
from floe_contracts.errors import DocumentInvalid
from floe_contracts.plugins.errors import PluginBroken, PluginOutdated, PluginTwice, PluginUnknown
from floe_contracts.plugins.registry import SECRETS, installed, load, options_schema, read_options

Install = Callable[..., None]
PLUGIN = """\
from pydantic import Field

from floe_contracts.plugins.metadata import PluginMetadata
from floe_contracts.sections import Section


class Options(Section):
    vault_url: str = Field(description="Its address.")


class Store:
    def find(self, name):
        return None

    def place(self, name):
        return "a vault"


class Plugin:
    metadata = PluginMetadata("{name}", "2.1.0", "{api}", "A vault.")
    options = Options

    def store(self, options, environment):
        return Store()
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a package with one secret store, as far as Python can tell."""

    def write(package: str, name: str = "vault", *, api: str = "1.0", code: str | None = None, entry: str = "") -> None:
        site = tmp_path / package
        info = site / f"{package}-2.1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 2.1.0\n")
        (info / "entry_points.txt").write_text(f"[floe.secrets]\n{entry or name} = {package}:Plugin\n")
        text = PLUGIN.replace("{name}", name).replace("{api}", api) if code is None else code
        (site / f"{package}.py").write_text(text)
        monkeypatch.syspath_prepend(site)

    return write


def test_a_plugin_is_found_and_made_anew(install: Install) -> None:
    assert "vault" not in installed(SECRETS)
    install("acme_vault")
    assert "vault" in installed(SECRETS)
    plugin = load(SECRETS, "vault")
    assert plugin.metadata.description == "A vault."
    assert load(SECRETS, "vault") is not plugin
    assert plugin.store(None, {}).place("x") == "a vault"


def test_its_options_are_read_by_its_model(install: Install) -> None:
    install("acme_vault_options")
    plugin = load(SECRETS, "vault")
    assert options_schema(plugin)["required"] == ["vaultUrl"]
    assert read_options(plugin, Unplaced("options", {"vaultUrl": "https://vault"})).vault_url == "https://vault"
    with pytest.raises(DocumentInvalid) as refused:
        read_options(plugin, Unplaced("the options of vault", {"valtUrl": "x"}))
    assert {(str(problem.where), problem.hint) for problem in refused.value.problems} == {
        ("the options of vault (valtUrl)", "did you mean 'vaultUrl'?"),
        ("the options of vault (vaultUrl)", "add `vaultUrl:`"),
    }


def test_an_unknown_name_is_told_with_what_is_meant(install: Install) -> None:
    install("acme_vault_known")
    with pytest.raises(PluginUnknown, match="there is no secret store 'valut' installed") as unknown:
        load(SECRETS, "valut")
    assert unknown.value.hint == "did you mean 'vault'?"


def test_a_name_that_two_packages_have_is_refused(install: Install) -> None:
    install("acme_vault_one")
    install("acme_vault_two")
    with pytest.raises(PluginTwice, match=r"by acme_vault_one 2\.1\.0 and by acme_vault_two 2\.1\.0"):
        load(SECRETS, "vault")


def test_a_plugin_of_another_interface_is_refused_by_name(install: Install) -> None:
    install("acme_vault_new", api="2.0")
    with pytest.raises(PluginOutdated, match=r"'vault' of acme_vault_new 2\.1\.0 was written for version 2\.0"):
        load(SECRETS, "vault")
    install("acme_vault_minor", "later", api="1.7")
    assert load(SECRETS, "later").metadata.api_version == "1.7"


@pytest.mark.parametrize(
    ("package", "code", "said"),
    [
        ("acme_broken_import", "import there_is_no_such_module\n", "ModuleNotFoundError"),
        ("acme_broken_name", "", "AttributeError"),
        ("acme_broken_class", "class Plugin:\n    def __init__(self, more): ...\n", "TypeError"),
        ("acme_broken_metadata", "class Plugin:\n    metadata = 'vault'\n    options = dict\n", "no metadata or no"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_says_why(install: Install, package: str, code: str, said: str) -> None:
    install(package, code=code)
    with pytest.raises(PluginBroken, match=said) as broken:
        load(SECRETS, "vault")
    assert package in broken.value.message


def test_a_plugin_is_called_what_its_entry_point_is(install: Install) -> None:
    install("acme_renamed", "vault", entry="safe")
    with pytest.raises(PluginBroken, match=r"'safe' of acme_renamed 2\.1\.0 calls itself 'vault'"):
        load(SECRETS, "safe")
