"""Products with dbt packages: the compiler installs what they did not bring along, and the artifact names it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from floe_chassis.blobs import BlobStore
from floe_chassis.bundle_documents import read_bundle
from floe_chassis.settings import ChassisSettings
from floe_chassis.source_bundles import unpack
from floe_contracts.events import ArtifactCompiled
from floe_dbt.packages import lock_hash
from floe_dbt.testing import PackageHub, serving_hub

pytestmark = [pytest.mark.bus, pytest.mark.dbt]

GREETINGS = {
    "dbt_project.yml": "name: greetings\nversion: '1.0'\n",
    "macros/hello.sql": "{% macro hello(name) %}'hello ' || {{ name }}{% endmacro %}\n",
}
LOCAL = [{"local": "../greetings"}]
HUB = [{"package": "demo/greetings", "version": "1.0.0"}]
Files = dict[str, str | bytes]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageHub]:
    with serving_hub() as hub:
        hub.packages["demo/greetings"] = GREETINGS
        monkeypatch.setenv("DBT_PACKAGE_HUB_URL", hub.url)
        yield hub


@pytest.fixture
def greeting(shop: Files) -> Callable[..., Files]:
    """The shop with a model that wants a macro of the package `greetings`."""

    def files(declared: list[dict[str, str]], *, lock: bool = True, vendored: bool = False) -> Files:
        made = {
            **shop,
            "dbt/models/greeted.sql": "select {{ greetings.hello('customer') }} as x from {{ ref('orders') }}",
        }
        made["dbt/packages.yml"] = yaml.safe_dump({"packages": declared})
        if lock:
            locked = [{**entry, "name": "greetings"} for entry in declared]
            made["dbt/package-lock.yml"] = yaml.safe_dump({"packages": locked, "sha1_hash": lock_hash(declared)})
        folders = ["dbt/dbt_packages/greetings"] if vendored else ["greetings"] if declared == LOCAL else []
        return made | {f"{folder}/{name}": text for folder in folders for name, text in GREETINGS.items()}

    return files


def packages_of(event: ArtifactCompiled) -> str | None:
    packages: str | None = event.artifact["sources"].get("packages")
    return packages


async def macros_of(event: ArtifactCompiled, blobs: BlobStore) -> set[str]:
    manifest = json.loads(await blobs.get(event.artifact["environments"]["dev"]["manifest"]))
    return set(manifest["macros"])


async def test_a_local_package_is_installed_and_travels_in_a_bundle_of_its_own(
    start_compiler, submissions, greeting, blobs, tmp_path
) -> None:
    await start_compiler()
    await submissions.submit(greeting(LOCAL))
    event = await submissions.compiled()
    assert "macro.greetings.hello" in await macros_of(event, blobs)
    digest = packages_of(event)
    assert digest is not None
    paths = [file.path for file in read_bundle(await blobs.get(digest))]
    assert paths == [f"dbt/dbt_packages/greetings/{name}" for name in sorted(GREETINGS)]
    checked_out = tmp_path / "executor"
    await unpack(event.artifact["sources"]["bundle"], blobs, checked_out, packages=digest)
    assert (checked_out / "dbt/dbt_packages/greetings/macros/hello.sql").is_file()
    assert (checked_out / "floe.yaml").is_file()


async def test_a_changed_local_package_is_installed_again(start_compiler, submissions, greeting, blobs) -> None:
    await start_compiler()
    await submissions.submit(greeting(LOCAL))
    first = await submissions.compiled()
    changed = greeting(LOCAL) | {"greetings/macros/bye.sql": "{% macro bye() %}'bye'{% endmacro %}"}
    await submissions.submit(changed, "s2")
    second = await submissions.compiled("s2")
    assert "macro.greetings.bye" in await macros_of(second, blobs)
    assert packages_of(first) != packages_of(second)


async def test_a_hub_is_asked_once_for_the_same_lock(start_compiler, submissions, greeting, hub) -> None:
    await start_compiler()
    await submissions.submit(greeting(HUB))
    first = await submissions.compiled()
    assert packages_of(first)
    asked = len(hub.asked)
    assert asked
    await submissions.submit(greeting(HUB) | {"dbt/models/other.sql": "select 1 as one"}, "s2")
    assert packages_of(await submissions.compiled("s2")) == packages_of(first)
    assert len(hub.asked) == asked


async def test_the_digest_of_packages_does_not_depend_on_the_machine(
    start_compiler, submissions, greeting, hub, bus_settings: ChassisSettings, tmp_path: Path
) -> None:
    del hub
    first_compiler = await start_compiler()
    await submissions.submit(greeting(HUB))
    first = await submissions.compiled()
    await first_compiler.stop(grace=5.0)
    await start_compiler(FLOE_WORK_DIR=str(tmp_path / "another"))
    await submissions.submit(greeting(HUB), "s2")
    second = await submissions.compiled("s2")
    assert packages_of(second) == packages_of(first)
    assert second.artifact_digest == first.artifact_digest


async def test_packages_that_were_brought_along_are_not_installed(start_compiler, submissions, greeting, hub) -> None:
    await start_compiler()
    await submissions.submit(greeting(HUB, lock=False, vendored=True))
    assert packages_of(await submissions.compiled()) is None
    assert hub.asked == []


async def test_packages_come_and_go(start_compiler, submissions, greeting, shop, hub, blobs) -> None:
    """Installed, then brought along, then given up: each submission sees its own, and no other's."""
    await start_compiler()
    await submissions.submit(greeting(HUB), folder="installed")
    assert packages_of(await submissions.compiled())
    brought = greeting(HUB, vendored=True) | {
        "dbt/dbt_packages/greetings/macros/bye.sql": "{% macro bye() %}{% endmacro %}"
    }
    await submissions.submit(brought, "s2", folder="brought")
    second = await submissions.compiled("s2")
    assert packages_of(second) is None
    assert "macro.greetings.bye" in await macros_of(second, blobs)
    await submissions.submit(greeting(HUB), "s3", folder="installed")
    third = await submissions.compiled("s3")
    assert "macro.greetings.bye" not in await macros_of(third, blobs)
    assert packages_of(third) == packages_of(await submissions.compiled())
    await submissions.submit(shop, "s4", folder="without")
    fourth = await submissions.compiled("s4")
    assert packages_of(fourth) is None
    assert not {macro for macro in await macros_of(fourth, blobs) if macro.startswith("macro.greetings.")}


async def test_a_missing_lock_is_a_rejection(start_compiler, submissions, greeting) -> None:
    await start_compiler()
    await submissions.submit(greeting(LOCAL, lock=False))
    (problem,) = (await submissions.rejected()).problems
    assert (problem.code, problem.file, problem.line) == ("FLOE-DBT-042", "dbt/packages.yml", 1)


async def test_a_hub_that_does_not_answer_is_a_rejection_with_a_code_of_its_own(
    start_compiler, submissions, greeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBT_PACKAGE_HUB_URL", "http://127.0.0.1:1/")
    await start_compiler()
    await submissions.submit(greeting(HUB))
    rejected = await submissions.rejected()
    assert [problem.code for problem in rejected.problems] == ["FLOE-DBT-044"]
    assert rejected.stage == "resolve"
