"""From a push on the bus to artifacts on the bus: real repositories, a real server, the real dbt."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from floe_chassis.bus import Bus
from floe_chassis.dead_letters import DeadLetter, read_dead_letter
from floe_chassis.source_bundles import bundle_digest
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import all_handled, eventually
from floe_chassis.topology import COMPILER, DLQ, PRODUCTS_BUCKET, SPECS
from floe_compiler.adapters.product_registry import ProductRegistry
from floe_contracts.events import (
    ArtifactCompiled,
    ArtifactRejected,
    ArtifactRetired,
    GitPushed,
    ProductEvent,
    SourceReference,
    SpecSubmitted,
    push_event_id,
)
from floe_contracts.repositories import read_repository

from .git_origin import Files, Origin

pytestmark = [pytest.mark.bus, pytest.mark.dbt]

MAIN = "refs/heads/main"
SECONDS = 60
Start = Callable[..., Awaitable[object]]


def product(name: str, folder: str | None = None, model: str = "select 1 as id") -> dict[str, str | bytes | None]:
    """The files of a small product, in a folder of its own."""
    prefix = f"{name}/" if folder is None else f"{folder}/" if folder else ""
    return {
        f"{prefix}floe.yaml": (
            "apiVersion: floe.dev/v1\nkind: FloeSpec\n"
            f"metadata: {{name: {name}, version: 1.0.0, owner: ann@example.com}}\n"
            "transforms: [{type: dbt, path: dbt}]\n"
        ),
        f"{prefix}dbt/dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: floe\n",
        f"{prefix}dbt/models/one.sql": model,
    }


@dataclass(frozen=True, slots=True)
class Pushes:
    """Pushes to a repository, and waits for what the compiler says."""

    bus: Bus
    submissions: Any
    origin: Origin

    async def notify(self, *, ref: str = MAIN, **fields: str) -> GitPushed:
        """Tell that a ref moved, and wait until nothing is left to do."""
        given = {"url": self.origin.url, "delivery": str(uuid.uuid4())} | fields
        name = given.pop("repository", None) or read_repository(given["url"]).name
        pushed = GitPushed(tenant="default", repository=name, ref=ref, **given)
        await self.bus.publish(pushed, id=push_event_id(pushed))
        await self.quiet()
        return pushed

    async def quiet(self) -> None:
        """Wait until nothing is left to do."""
        await eventually(lambda: all_handled(self.bus, SPECS, COMPILER), timeout=SECONDS)

    async def push(self, files: Files, **fields: str) -> str:
        commit = self.origin.commit(files)
        await self.notify(after=commit, **fields)
        return commit

    async def said(self) -> list[ProductEvent]:
        """All that the compiler said, in its order."""
        return [received.event for received in await self.submissions.outcomes()]

    async def compiled(self) -> list[tuple[str, str]]:
        """Product and commit of every compiled event."""
        return [(event.product, event.submission) for event in await self.said() if isinstance(event, ArtifactCompiled)]

    async def rejected(self) -> ArtifactRejected:
        event = (await self.said())[-1]
        assert isinstance(event, ArtifactRejected), event
        return event

    async def retired(self) -> list[ArtifactRetired]:
        return [event for event in await self.said() if isinstance(event, ArtifactRetired)]

    async def letters(self) -> list[DeadLetter]:
        found = [message async for message in read_stream(self.bus.js, DLQ, "floe.v1.dlq.>")]
        return [read_dead_letter(message.headers or {}, message.data) for message in found]

    async def owner(self, name: str) -> str | None:
        return await ProductRegistry(lambda: self.bus.key_value(PRODUCTS_BUCKET)).owner("default", name)


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin.create(tmp_path / "forge" / "shop")


@pytest.fixture
def pushes(bus: Bus, submissions: Any, origin: Origin) -> Pushes:
    return Pushes(bus, submissions, origin)


@pytest.fixture
def start(start_compiler: Start) -> Start:
    """Starts a compiler that fetches from this machine."""

    async def started(**variables: str) -> object:
        allowed = {"FLOE_COMPILER_GIT_LOCAL": "true", "FLOE_COMPILER_GIT_REPOSITORIES": '["*"]'}
        return await start_compiler(**(allowed | variables))

    return started


async def test_a_push_compiles_what_it_changed_and_nothing_else(
    start: Start, pushes: Pushes, submissions: Any, tmp_path: Path
) -> None:
    await start()
    files = product("orders") | product("billing", "deep/down/billing") | {"README.md": "hello"}
    first = await pushes.push(files)
    assert await pushes.compiled() == [("billing", first), ("orders", first)]

    second = await pushes.push({"orders/dbt/models/two.sql": "select 2 as id"})
    assert (await pushes.compiled())[2:] == [("orders", second)]
    await pushes.push({"README.md": "world"})
    assert len(await pushes.compiled()) == 3

    event = (await pushes.said())[-1]
    assert isinstance(event, ArtifactCompiled)
    assert event.source == SourceReference(repository=pushes.origin.url, ref=MAIN, commit=second, folder="orders")
    # The same files published by hand are the same bundle, so the same artifact.
    assert event.artifact["sources"]["bundle"] == await bundle_digest(pushes.origin.folder / "orders")
    (received, *_) = reversed(await submissions.outcomes())
    assert received.attributes.id.startswith(f"orders:{MAIN}@{second}.")
    assert (received.attributes.causeid or "").startswith(f"{read_repository(pushes.origin.url).name}:{MAIN}:")
    assert await pushes.letters() == []
    assert len(_below(tmp_path / "work", "*.git")) == 1


async def test_a_push_that_is_told_again_or_late_changes_nothing(start: Start, pushes: Pushes) -> None:
    await start()
    first = await pushes.push(product("orders"))
    second = pushes.origin.commit({"orders/dbt/models/two.sql": "select 2 as id"})
    third = pushes.origin.commit({"orders/dbt/models/two.sql": "select 3 as id"})
    await pushes.notify(before=second, after=third)
    await pushes.notify(before=first, after=second)  # the older one comes later: the head has been compiled
    again = await pushes.notify(before=second, after=third, delivery="again")
    await pushes.bus.publish(again, id="the same under another id")
    await pushes.quiet()
    assert await pushes.compiled() == [("orders", first), ("orders", third)]
    assert await pushes.letters() == []


async def test_a_forced_push_back_and_forth_ends_with_what_the_ref_has(
    start: Start, pushes: Pushes, submissions: Any
) -> None:
    await start()
    first = await pushes.push(product("orders"))
    second = await pushes.push({"orders/dbt/models/one.sql": "select 2 as id"})
    pushes.origin.git("reset", "-q", "--hard", first)
    pushes.origin.git("reflog", "expire", "--expire=now", "--all")
    pushes.origin.git("gc", "-q", "--prune=now")  # what was there before is out of reach
    await pushes.notify(before=second, after=first)
    assert await pushes.compiled() == [("orders", first), ("orders", second), ("orders", first)]
    digests = [event.artifact_digest for event in await pushes.said() if isinstance(event, ArtifactCompiled)]
    assert digests[0] == digests[2] != digests[1]
    other = pushes.origin.commit(product("orders", model="select 9 as id"), amend=True)
    await pushes.notify(before=first, after=other)
    assert (await pushes.compiled())[-1] == ("orders", other)


async def test_a_product_whose_floe_yaml_is_gone_is_retired_once(start: Start, pushes: Pushes) -> None:
    await start()
    await pushes.push(product("orders") | product("billing"))
    (billing, _) = await pushes.said()
    assert isinstance(billing, ArtifactCompiled)
    gone = await pushes.push(dict.fromkeys(product("billing")))
    (retired,) = await pushes.retired()
    assert (retired.product, retired.submission, retired.reason) == ("billing", gone, "removed")
    assert retired.artifact_digest == billing.artifact_digest
    assert retired.source == SourceReference(repository=pushes.origin.url, ref=MAIN, commit=gone, folder="billing")
    assert await pushes.owner("billing") is None
    await pushes.notify(after=gone, delivery="again")
    assert len(await pushes.retired()) == 1
    assert len(await pushes.compiled()) == 2
    back = await pushes.push(product("billing"))
    assert (await pushes.compiled())[-1] == ("billing", back)


async def test_a_renamed_product_is_retired_and_a_moved_one_is_not(start: Start, pushes: Pushes) -> None:
    await start()
    await pushes.push(product("orders"))
    renamed = await pushes.push(product("sales", "orders"))
    assert [(event.product, event.reason) for event in await pushes.retired()] == [("orders", "renamed")]
    assert (await pushes.compiled())[-1] == ("sales", renamed)
    moved = await pushes.push(dict.fromkeys(product("sales", "orders")) | product("sales", "elsewhere"))
    assert len(await pushes.retired()) == 1
    assert (await pushes.compiled())[-1] == ("sales", moved)
    assert await pushes.owner("sales") == read_repository(pushes.origin.url).name


async def test_a_deleted_branch_retires_what_no_other_branch_has(start: Start, pushes: Pushes) -> None:
    await start()
    first = await pushes.push(product("orders"))
    pushes.origin.git("checkout", "-q", "-b", "topic")
    topic = await pushes.push(product("billing"), ref="refs/heads/topic")
    assert await pushes.compiled() == [("orders", first), ("billing", topic), ("orders", topic)]
    pushes.origin.git("checkout", "-q", "main")
    pushes.origin.git("branch", "-q", "-D", "topic")
    await pushes.notify(ref="refs/heads/topic", before=topic, after="0" * 40)
    assert [(event.product, event.reason) for event in await pushes.retired()] == [("billing", "ref-deleted")]
    await pushes.notify(ref="refs/heads/topic", before=topic, after="0" * 40)
    assert len(await pushes.retired()) == 1
    # The same branch at the same commit once more: a new state, although all ids' names were there before.
    pushes.origin.git("branch", "topic", topic)
    await pushes.notify(ref="refs/heads/topic", after=topic)
    assert (await pushes.compiled())[3:] == [("billing", topic), ("orders", topic)]


async def test_a_tag_is_a_ref_like_any_other(start: Start, pushes: Pushes) -> None:
    await start()
    commit = pushes.origin.commit(product("orders", ""))
    pushes.origin.git("tag", "-a", "v1", "-m", "one")
    await pushes.notify(ref="refs/tags/v1", after=commit)
    await pushes.notify(ref="refs/tags/v1", after=commit, delivery="again")
    assert await pushes.compiled() == [("orders", commit)]


async def test_only_refs_of_an_environment_are_compiled(
    start: Start, pushes: Pushes, platform_yaml: str, tmp_path: Path
) -> None:
    only_main = platform_yaml.replace("  dev: {profiles", "  dev: {refs: ['release/*'], profiles")
    own = product("orders") | product("billing") | {"billing/platform.yaml": only_main}
    pushes.origin.git("checkout", "-q", "-b", "topic")
    await start()
    topic = await pushes.push(own, ref="refs/heads/topic")
    assert await pushes.compiled() == [("orders", topic)]  # its embedded platform builds every ref
    pushes.origin.git("checkout", "-q", "-b", "release/1")
    await pushes.notify(ref="refs/heads/release/1", after=topic)
    assert await pushes.compiled() == [("orders", topic), ("billing", topic), ("orders", topic)]


async def test_the_platform_of_the_installation_decides_and_its_change_compiles_again(
    start: Start, pushes: Pushes, platform_yaml: str, tmp_path: Path
) -> None:
    file = tmp_path / "platform.yaml"
    file.write_text(platform_yaml.replace("  dev: {profiles", "  dev: {refs: ['release/*'], profiles"))
    await start(FLOE_COMPILER_PLATFORM_FILE=str(file))
    pushes.origin.git("checkout", "-q", "-b", "topic")
    ignored = {"orders/platform.yaml": "not: [read"}
    topic = await pushes.push(product("orders") | ignored, ref="refs/heads/topic")
    assert await pushes.said() == []
    pushes.origin.git("branch", "main")
    await pushes.notify(after=topic)
    assert await pushes.compiled() == [("orders", topic)]
    file.write_text(file.read_text().replace("threads: 4", "threads: 3"))
    await pushes.notify(after=topic)
    assert await pushes.compiled() == [("orders", topic), ("orders", topic)]


async def test_a_ref_that_is_built_no_more_still_gives_its_names_back_when_it_goes(
    start: Start, pushes: Pushes, platform_yaml: str, tmp_path: Path
) -> None:
    file = tmp_path / "platform.yaml"
    every = platform_yaml.replace("  dev: {profiles", "  dev: {refs: ['*'], profiles")
    file.write_text(every)
    await start(FLOE_COMPILER_PLATFORM_FILE=str(file))
    pushes.origin.git("checkout", "-q", "-b", "topic")
    topic = await pushes.push(product("orders"), ref="refs/heads/topic")
    assert await pushes.compiled() == [("orders", topic)]
    file.write_text(every.replace("refs: ['*']", "refs: ['release/*']"))
    await pushes.push(product("billing"), ref="refs/heads/topic")
    assert await pushes.compiled() == [("orders", topic)]
    pushes.origin.git("checkout", "-q", "--detach")
    pushes.origin.git("branch", "-D", "topic")
    await pushes.notify(ref="refs/heads/topic", after="0" * 40)
    assert [(event.product, event.reason) for event in await pushes.retired()] == [("orders", "ref-deleted")]
    assert await pushes.owner("orders") is None


async def test_documents_of_older_forms_are_compiled_with_the_manifest_beside_them(
    start: Start, pushes: Pushes
) -> None:
    manifest = """\
apiVersion: floe.dev/v1
kind: Manifest
metadata: {name: acme, version: 1.0.0, owner: platform@example.com}
plugins: {compute: {type: duckdb, config: {threads: 3}}}
"""
    flat = product("lines") | {"lines/floe.yaml": "name: Lines\nversion: v1\ntransforms: [{type: dbt, path: ./dbt}]\n"}
    await start()
    commit = await pushes.push(flat | {"lines/manifest.yaml": manifest})
    assert await pushes.compiled() == [("lines", commit)]
    (compiled,) = await pushes.said()
    assert isinstance(compiled, ArtifactCompiled)
    assert compiled.artifact["environments"]["dev"]["compute"]["threads"] == 3


BASE = """\
apiVersion: floe.dev/v1
kind: PlatformSpec
metadata: {name: acme, version: 1.0.0, owner: platform@example.com}
scope: enterprise
compute: {duckdb: {type: duckdb, threads: 3}}
storage: {local: {type: local}}
catalogs: {local: {type: sql}}
"""
DOMAIN = """\
apiVersion: floe.dev/v1
kind: PlatformSpec
metadata: {name: sales, version: 1.0.0, owner: platform@example.com}
scope: domain
parent: {file: ../base.yaml}
environments: {dev: {refs: [main], profiles: {default: {compute: duckdb, storage: local, catalog: local}}}}
"""


async def test_a_platform_elsewhere_in_the_repository_counts_as_a_part_of_the_product(
    start: Start, pushes: Pushes
) -> None:
    await start()
    files = product("orders") | product("billing") | {"platforms/base.yaml": BASE, "platforms/sales/here.yaml": DOMAIN}
    files["orders/floe.yaml"] = f"{files['orders/floe.yaml']!s}platform: {{file: ../platforms/sales/here.yaml}}\n"
    first = await pushes.push(files)
    assert await pushes.compiled() == [("billing", first), ("orders", first)]
    second = await pushes.push({"platforms/base.yaml": BASE.replace("threads: 3", "threads: 5")})
    assert (await pushes.compiled())[2:] == [("orders", second)]
    event = (await pushes.said())[-1]
    assert isinstance(event, ArtifactCompiled)
    assert event.artifact["environments"]["dev"]["compute"]["threads"] == 5
    pushes.origin.git("branch", "topic")
    await pushes.notify(ref="refs/heads/topic", after=second)
    assert (await pushes.compiled())[3:] == [("billing", second)]  # the other's platform builds main alone
    await pushes.push({"platforms/base.yaml": None, "platforms/sales/here.yaml": None})
    assert [problem.code for problem in (await pushes.rejected()).problems] == ["FLOE-PLAT-007"]


async def test_what_is_wrong_with_a_product_is_a_rejection_and_keeps_no_other_from_compiling(
    start: Start, pushes: Pushes
) -> None:
    await start()
    broken = {"orders/dbt/models/one.sql": "select {{ ref('nowhere') }}"}
    unreadable = product("billing") | {"billing/floe.yaml": "a: [\n"}
    first = await pushes.push(product("orders") | broken | unreadable | product("shipping"))
    said = [(type(event).__name__, event.product) for event in await pushes.said()]
    assert said == [
        ("ArtifactRejected", "billing"),
        ("ArtifactRejected", "orders"),
        ("ArtifactCompiled", "shipping"),
    ]
    rejected = [event for event in await pushes.said() if isinstance(event, ArtifactRejected)]
    assert [event.problems[0].code for event in rejected] == ["FLOE-SPEC-002", "FLOE-DBT-011"]
    assert {event.submission for event in rejected} == {first}
    assert "/work/" not in str(rejected)
    # Told again, nothing more is said; a new commit tries again what was refused, changed or not.
    await pushes.notify(after=first)
    assert len(await pushes.said()) == 3
    second = await pushes.push({"orders/dbt/models/one.sql": "select 1 as id"})
    assert [(type(event).__name__, event.product) for event in (await pushes.said())[3:]] == [
        ("ArtifactRejected", "billing"),
        ("ArtifactCompiled", "orders"),
    ]
    # What never was an artifact is not retired, and keeps no name.
    await pushes.push(dict.fromkeys(unreadable) | {"orders/dbt/models/one.sql": "select 2 as id"})
    assert await pushes.retired() == []
    assert await pushes.owner("billing") is None
    assert second != first
    assert await pushes.letters() == []


async def test_a_name_belongs_to_its_first_repository(
    start: Start, pushes: Pushes, submissions: Any, shop: dict[str, str | bytes], tmp_path: Path
) -> None:
    await start()
    await pushes.push(product("shop"))
    thief = replace(pushes, origin=Origin.create(tmp_path / "forge" / "thief"))
    await thief.push(product("shop", "mine") | product("theirs"))
    rejected = [event for event in await pushes.said() if isinstance(event, ArtifactRejected)]
    assert [(event.product, event.problems[0].code) for event in rejected] == [("shop", "FLOE-GIT-015")]
    assert read_repository(pushes.origin.url).name in rejected[0].problems[0].message
    assert (await pushes.compiled())[-1][0] == "theirs"
    await thief.push(dict.fromkeys(product("shop", "mine")))
    assert await pushes.retired() == []  # it was never theirs

    await submissions.submit(shop, "by-hand")
    assert (await submissions.rejected("by-hand")).problems[0].code == "FLOE-GIT-015"
    named = SpecSubmitted(
        tenant="default",
        product="shop",
        submission="by-ci",
        bundle=(await submissions.submit(shop, "again", folder="again")).bundle,
        source=SourceReference(repository=pushes.origin.url.removesuffix("/") + ".git"),
    )
    await pushes.bus.publish(named, id="by-ci")
    await submissions.compiled("by-ci")

    await pushes.push(dict.fromkeys(product("shop")))
    await submissions.submit(shop, "free")
    await submissions.compiled("free")
    await thief.push(product("shop", "mine"))
    assert (await pushes.compiled())[-1][0] == "shop"
    assert await pushes.owner("shop") == read_repository(thief.origin.url).name


async def test_a_repository_holds_a_product_once(start: Start, pushes: Pushes) -> None:
    await start()
    first = await pushes.push(product("orders", "b"))
    await pushes.push(product("orders", "a"))
    rejected = await pushes.rejected()
    assert [(problem.code, problem.file) for problem in rejected.problems] == [("FLOE-GIT-016", "floe.yaml")]
    assert "'orders' is also in the folder b" in rejected.problems[0].message
    assert await pushes.compiled() == [("orders", first)]
    third = await pushes.push(dict.fromkeys(product("orders", "b")))
    assert (await pushes.compiled())[-1] == ("orders", third)
    assert await pushes.retired() == []


HOSTILE: dict[str, tuple[dict[str, tuple[str, str | bytes]], str, str]] = {
    "symlink": ({"dbt/models/passwd.sql": ("120000", "/etc/passwd")}, "FLOE-GIT-010", "dbt/models/passwd.sql"),
    "submodule": ({"dbt/vendored": ("160000", "1" * 40)}, "FLOE-GIT-011", "dbt/vendored"),
    "git lfs": (
        {"dbt/seeds/big.csv": ("100644", "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n")},
        "FLOE-GIT-012",
        "dbt/seeds/big.csv",
    ),
    "traversal": ({"..": ("100644", "x")}, "FLOE-GIT-013", ".."),
    "traversal below": ({"dbt/../../evil.sql": ("100644", "x")}, "FLOE-GIT-013", "dbt/.."),
    "git folder": ({"dbt/.git/config": ("100644", "x")}, "FLOE-GIT-013", "dbt/.git"),
    "git folder in other letters": ({".GiT/hooks/post-checkout": ("100755", "x")}, "FLOE-GIT-013", ".GiT"),
    "case": ({"dbt/models/One.sql": ("100644", "select 2 as id")}, "FLOE-GIT-013", "dbt/models/one.sql"),
    "folders in case": ({"DBT/x.sql": ("100644", "x")}, "FLOE-GIT-013", "dbt"),
    "line break": ({"dbt/a\nb.sql": ("100644", "x")}, "FLOE-GIT-013", "dbt/a\\nb.sql"),
    "backslash": ({"dbt\\evil.sql": ("100644", "x")}, "FLOE-GIT-013", "dbt\\evil.sql"),
    "long name": ({"a" * 250: ("100644", "x")}, "FLOE-GIT-013", "a" * 250),
    "deep": ({"/".join(["d"] * 40): ("100644", "x")}, "FLOE-GIT-013", "/".join(["d"] * 33)),
    "too large": ({"dbt/seeds/huge.csv": ("100644", b"1" * 20_000_001)}, "FLOE-GIT-014", "dbt/seeds/huge.csv"),
}


async def test_what_no_checkout_should_hold_is_rejected_with_its_path(
    start: Start, pushes: Pushes, tmp_path: Path
) -> None:
    await start()
    for name, (entries, code, path) in HOSTILE.items():
        files = {file: ("100644", content or "") for file, content in product("orders", "").items()}
        commit = pushes.origin.commit_entries(files | entries)
        await pushes.notify(after=commit)
        rejected = await pushes.rejected()
        assert (rejected.product, rejected.submission, rejected.stage) == ("orders", commit, "load"), name
        assert (rejected.problems[0].code, rejected.problems[0].file) == (code, path), name
    assert await pushes.compiled() == []
    assert not _below(tmp_path, "*evil*")
    assert await pushes.letters() == []


async def test_a_floe_yaml_that_is_a_symlink_is_rejected_under_the_folders_name(start: Start, pushes: Pushes) -> None:
    await start()
    await pushes.notify(after=pushes.origin.commit_entries({"orders/floe.yaml": ("120000", "/etc/passwd")}))
    rejected = await pushes.rejected()
    assert (rejected.product, rejected.problems[0].code) == ("orders", "FLOE-GIT-010")


async def test_what_cannot_be_answered_for_is_a_dead_letter_with_its_reason(
    start: Start, pushes: Pushes, tmp_path: Path
) -> None:
    await start(FLOE_COMPILER_GIT_REPOSITORIES='["localhost/*/shop", "localhost/*/none"]')
    pushes.origin.commit(product("orders"))
    owned = tmp_path / "owned"
    hostile = {
        f"ext::sh -c touch% {owned}": "FLOE-GIT-001",
        f"--upload-pack=touch {owned}": "FLOE-GIT-001",
        f"ssh://-oProxyCommand=touch {owned}/x": "FLOE-GIT-001",
        "https://ann:canary@git.example.com/shop.git": "FLOE-GIT-001",
        "https://git.example.com/shop.git": "FLOE-GIT-003",
        (tmp_path / "forge" / "other").as_uri(): "FLOE-GIT-003",
    }
    for url in hostile:
        try:
            name = read_repository(url).name
        except Exception:  # noqa: BLE001  # then any name will do
            name = "any"
        await pushes.notify(url=url, repository=name)
    await pushes.notify(repository="git.example.com/another")
    await pushes.notify(ref="--upload-pack=x")
    await pushes.notify(ref="refs/pull/1/head")
    letters = await pushes.letters()
    assert [letter.code for letter in letters] == [*hostile.values(), "FLOE-GIT-004", "FLOE-GIT-002", "FLOE-GIT-002"]
    assert not owned.exists()
    assert not any("canary" in letter.reason for letter in letters)
    assert await pushes.said() == []


async def test_a_repository_of_this_machine_needs_leave(start_compiler: Start, pushes: Pushes) -> None:
    await start_compiler(FLOE_COMPILER_GIT_REPOSITORIES='["*"]')
    await pushes.push(product("orders"))
    await start_compiler()
    (letter,) = await pushes.letters()
    assert (letter.code, "FLOE_COMPILER_GIT_LOCAL" in letter.reason) == ("FLOE-GIT-003", True)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("MAX_FILES", "5", "more than 5 files"),
        ("MAX_PRODUCTS", "1", "has 2 products"),
        ("MAX_BYTES", "300000", "300000 bytes"),
    ],
)
async def test_a_repository_over_a_limit_is_a_dead_letter(
    start: Start, pushes: Pushes, variable: str, value: str, said: str
) -> None:
    await start(**{f"FLOE_COMPILER_GIT_{variable}": value})
    large = {"orders/dbt/seeds/noise.csv": bytes(range(256)) * 8, "orders/dbt/seeds/more.csv": _noise(400_000)}
    await pushes.push(product("orders") | product("billing") | large)
    (letter,) = await pushes.letters()
    assert letter.code == "FLOE-GIT-005"
    assert said in letter.reason
    assert await pushes.said() == []


async def test_a_repository_that_comes_late_is_waited_for(start: Start, pushes: Pushes, tmp_path: Path) -> None:
    await start()
    commit = pushes.origin.commit(product("orders"))
    hidden = tmp_path / "hidden"
    shutil.move(pushes.origin.folder, hidden)
    name = read_repository(pushes.origin.url).name
    pushed = GitPushed(tenant="default", repository=name, url=pushes.origin.url, ref=MAIN, delivery="early")
    await pushes.bus.publish(pushed, id=push_event_id(pushed))

    async def tried_again() -> bool:
        return ((await pushes.bus.js.consumer_info(SPECS, COMPILER)).num_redelivered or 0) > 0

    await eventually(tried_again)
    shutil.move(hidden, pushes.origin.folder)
    await pushes.quiet()
    assert await pushes.compiled() == [("orders", commit)]


async def test_a_server_without_partial_clones_and_a_cache_that_was_lost_do_as_well(
    start: Start, pushes: Pushes, tmp_path: Path
) -> None:
    await start()
    plain = replace(pushes, origin=Origin.create(tmp_path / "forge" / "plain", partial=False))
    first = await plain.push(product("orders") | product("billing"))
    shutil.rmtree(_below(tmp_path / "work", "*.git")[0])
    second = await plain.push({"orders/dbt/models/one.sql": "select 2 as id"})
    assert await pushes.compiled() == [("billing", first), ("orders", first), ("orders", second)]


def _below(folder: Path, pattern: str) -> list[Path]:
    return list(folder.rglob(pattern))


def _noise(size: int) -> bytes:
    import random

    return random.Random(7).randbytes(size)  # noqa: S311
