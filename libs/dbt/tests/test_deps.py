"""`dbt deps` through the fork server: local packages, a hub on this machine, and what goes wrong."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml
from dbt_common.clients.system import untar_package

from floe_dbt.deps import HUB_URL, install_packages
from floe_dbt.errors import DbtHubUnreachable, DbtPackageRefused, DbtPackagesFailed
from floe_dbt.packages import check_packages, lock_hash, read_packages
from floe_dbt.parse import parse_project
from floe_dbt.testing import PackageHub, serving_hub
from floe_dbt.warm_dbt import WarmDbt

pytestmark = pytest.mark.dbt

GREETINGS = {
    "dbt_project.yml": "name: greetings\nversion: '1.0'\n",
    "macros/hello.sql": "{% macro hello(name) %}'hello ' || {{ name }}{% endmacro %}\n",
}
SHOP = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: floe\n",
    "models/greeted.sql": "select {{ greetings.hello(\"'ann'\") }} as greeting\n",
}
LOCAL = {"packages.yml": "packages: [{local: ../greetings}]\n"}
HUB = {"packages.yml": "packages: [{package: demo/greetings, version: 1.0.0}]\n"}
Write = Callable[[Mapping[str, str], str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes files below a folder of the product."""

    def write(files: Mapping[str, str], folder: str) -> Path:
        for name, text in files.items():
            file = tmp_path / "product" / folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path / "product" / folder

    return write


def with_lock(files: Mapping[str, str], *locked: Mapping[str, str]) -> dict[str, str]:
    declared = yaml.safe_load(files["packages.yml"])["packages"]
    lock = {"packages": [dict(entry) for entry in locked], "sha1_hash": lock_hash(declared)}
    return {**SHOP, **files, "package-lock.yml": yaml.safe_dump(lock)}


def install(dbt: WarmDbt, project: Path, *, timeout: float | None = 60.0, **variables: str) -> Path:
    packages = read_packages(project)
    assert packages is not None
    check_packages(packages, project, project.parent)
    source = {**os.environ, **variables}
    return install_packages(dbt, project, packages, root=project.parent, source=source, timeout=timeout)


def test_a_local_package_becomes_a_copy_and_is_parsed(dbt: WarmDbt, write: Write, tmp_path: Path) -> None:
    write({**GREETINGS, "target/old.json": "{}", ".git/HEAD": "x", "macros/logs/log.sql": ""}, "greetings")
    project = write(with_lock(LOCAL, {"local": "../greetings", "name": "greetings"}), "dbt")
    installed = install(dbt, project) / "greetings"
    assert not installed.is_symlink()
    files = sorted(path.name for path in installed.rglob("*") if path.is_file())
    assert files == ["dbt_project.yml", "hello.sql", "log.sql"]
    write({"profiles.yml": "floe: {target: dev, outputs: {dev: {type: duckdb}}}\n"}, "../profiles")
    parsed = parse_project(
        dbt,
        project,
        environment="dev",
        profiles_dir=tmp_path / "profiles",
        state_dir=tmp_path / "state",
        source=os.environ,
    )
    assert "macro.greetings.hello" in parsed.manifest["macros"]


def test_a_package_of_a_hub(dbt: WarmDbt, write: Write, hub: PackageHub) -> None:
    linked = {**GREETINGS, "macros/again.sql": "-> hello.sql"}
    hub.packages["demo/greetings"] = linked
    entry = {"package": "demo/greetings", "version": "1.0.0", "name": "greetings"}
    installed = install(dbt, write(with_lock(HUB, entry), "dbt"), DBT_PACKAGE_HUB_URL=hub.url) / "greetings"
    assert (installed / "macros/hello.sql").read_text() == GREETINGS["macros/hello.sql"]
    again = installed / "macros/again.sql"
    assert not again.is_symlink()
    assert again.read_text() == GREETINGS["macros/hello.sql"]
    assert "/api/v1/demo/greetings.tar.gz" in hub.asked


@pytest.mark.parametrize("target", ["/etc/hostname", "../../../dbt_project.yml", "macros", "nowhere"])
def test_a_link_that_leads_out_of_a_package(dbt: WarmDbt, write: Write, target: str) -> None:
    package = write(GREETINGS, "greetings")
    (package / "linked").symlink_to(target)
    project = write(with_lock(LOCAL, {"local": "../greetings", "name": "greetings"}), "dbt")
    with pytest.raises(DbtPackageRefused) as refusal:
        install(dbt, project)
    assert str(refusal.value.where) == "dbt_packages/greetings/linked"


def test_a_hub_that_cannot_be_reached(dbt: WarmDbt, write: Write) -> None:
    entry = {"package": "demo/greetings", "version": "1.0.0", "name": "greetings"}
    project = write(with_lock(HUB, entry), "dbt")
    with pytest.raises(DbtHubUnreachable) as refusal:
        install(dbt, project, DBT_PACKAGE_HUB_URL="http://127.0.0.1:1/")
    assert HUB_URL in (refusal.value.hint or "")
    assert str(refusal.value.where) == "packages.yml"


def test_a_hub_that_takes_too_long(dbt: WarmDbt, write: Write) -> None:
    """The next submission waits behind this one, so it is a refusal and not tried again."""
    entry = {"package": "demo/greetings", "version": "1.0.0", "name": "greetings"}
    with pytest.raises(DbtHubUnreachable, match=r"took more than 0\.3 s"):
        install(dbt, write(with_lock(HUB, entry), "dbt"), timeout=0.3, DBT_PACKAGE_HUB_URL="http://127.0.0.1:1/")


def test_a_git_host_that_cannot_be_reached(dbt: WarmDbt, write: Write) -> None:
    files = {"packages.yml": "packages: [{git: 'https://127.0.0.1:1/a.git'}]\n"}
    entry = {"git": "https://127.0.0.1:1/a.git", "revision": "0" * 40, "name": "a"}
    with pytest.raises(DbtHubUnreachable):
        install(dbt, write(with_lock(files, entry), "dbt"))


def test_a_hub_that_answers_rubbish(
    dbt: WarmDbt, write: Write, hub: PackageHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "answer", lambda _: b"<html>Who are you?</html>")
    entry = {"package": "demo/greetings", "version": "1.0.0", "name": "greetings"}
    with pytest.raises(DbtHubUnreachable) as refusal:
        install(dbt, write(with_lock(HUB, entry), "dbt"), DBT_PACKAGE_HUB_URL=hub.url)
    assert HUB_URL in (refusal.value.hint or "")


def test_a_package_that_the_hub_does_not_have(dbt: WarmDbt, write: Write, hub: PackageHub) -> None:
    entry = {"package": "demo/greetings", "version": "1.0.0", "name": "greetings"}
    with pytest.raises(DbtPackagesFailed) as refusal:
        install(dbt, write(with_lock(HUB, entry), "dbt"), DBT_PACKAGE_HUB_URL=hub.url)
    assert "demo/greetings" in refusal.value.message


def test_a_lock_that_names_a_package_otherwise(dbt: WarmDbt, write: Write) -> None:
    write(GREETINGS, "greetings")
    with pytest.raises(DbtPackagesFailed) as refusal:
        install(dbt, write(with_lock(LOCAL, {"local": "../greetings", "name": "farewells"}), "dbt"))
    assert "farewells" in refusal.value.message


def test_what_the_project_sees_of_this_machine(dbt: WarmDbt, write: Write) -> None:
    write(GREETINGS, "greetings")
    locked = with_lock(LOCAL, {"local": "../greetings", "name": "greetings"})
    for variable, value in {"HTTPS_PROXY": "http://me:canary-5@proxy:3128", "MY_PASSWORD": "canary-5"}.items():
        project = f"name: shop\nversion: \"{{{{ env_var('{variable}') }}}}\"\nprofile: floe\n"
        with pytest.raises(DbtPackagesFailed) as refusal:
            install(dbt, write({**locked, "dbt_project.yml": project}, "dbt"), **{variable: value})
        assert "canary-5" not in str(refusal.value)


@pytest.mark.parametrize(
    "entries",
    [
        [{"local": "../greetings"}],
        [{"local": "../greetings", "name": "greetings"}],
        [{"package": "demo/greetings", "version": "1.0.0"}],
        [{"package": "demo/greetings", "version": [">=1.0.0", "<2.0.0"], "install_prerelease": True}],
        [{"package": "demo/farewells", "version": "1.0.0"}, {"local": "../greetings"}],
    ],
)
def test_the_lock_is_the_one_that_dbt_makes(
    dbt: WarmDbt, write: Write, hub: PackageHub, entries: list[dict[str, object]], tmp_path: Path
) -> None:
    """The hash is computed without dbt, so dbt has to agree."""
    hub.packages["demo/greetings"] = GREETINGS
    hub.packages["demo/farewells"] = {"dbt_project.yml": "name: farewells\nversion: '1.0'\n"}
    write(GREETINGS, "greetings")
    project = write({**SHOP, "packages.yml": yaml.safe_dump({"packages": entries})}, "dbt")
    environment = {"PATH": os.environ["PATH"], HUB_URL: hub.url}
    with (tmp_path / "output").open("wb") as output:
        ended = dbt.invoke(["deps", "--lock"], cwd=project, environment=environment, output=output)
    assert ended.returncode == 0, (tmp_path / "output").read_text()
    assert yaml.safe_load((project / "package-lock.yml").read_text())["sha1_hash"] == lock_hash(entries)
    before = (project / "package-lock.yml").read_text()
    install(dbt, project, DBT_PACKAGE_HUB_URL=hub.url)
    assert (project / "package-lock.yml").read_text() == before


def test_a_tarball_that_writes_through_a_link(tmp_path: Path) -> None:
    """What unpacks tarballs is dbt; floe relies on its refusing this."""
    elsewhere, unpacked = tmp_path / "elsewhere", tmp_path / "unpacked"
    elsewhere.mkdir()
    with serving_hub() as hub:
        for name, files in {
            "link": {"out": f"-> {elsewhere}", "out/written.sql": "select 1"},
            "climb": {"../../elsewhere/written.sql": "select 1"},
        }.items():
            hub.packages["demo/hostile"] = files
            tarball = tmp_path / f"{name}.tar.gz"
            tarball.write_bytes(hub.answer("/api/v1/demo/hostile.tar.gz") or b"")
            with pytest.raises(tarfile.TarError):
                untar_package(str(tarball), str(unpacked))
    assert list(elsewhere.iterdir()) == []
