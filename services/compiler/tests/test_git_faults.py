"""Pushes whose handling breaks off half way, and a `git` that does not do what it should."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from floe_chassis.bus import Bus
from floe_chassis.testing import all_handled, eventually
from floe_chassis.topology import COMPILER, PRODUCTS_BUCKET, SPECS
from floe_compiler.adapters.git_program import GitProgram, Quota
from floe_compiler.adapters.git_repositories import GitRepositories
from floe_compiler.adapters.product_registry import ProductRegistry
from floe_compiler.core.git.errors import GitFailed, GitMissing, RepositoryTooLarge, StateChanged
from floe_compiler.core.git.ports import StoredRef
from floe_compiler.core.git.state import RefState, owner_key, ref_key
from floe_compiler.git.ownership import Ownership
from floe_compiler.settings import GitSettings
from floe_contracts.errors import Unreachable
from floe_contracts.events import (
    ArtifactCompiled,
    ArtifactRetired,
    GitPushed,
    SourceReference,
    SpecSubmitted,
    push_event_id,
)
from floe_contracts.repositories import read_repository

from .git_origin import Origin

MAIN = "refs/heads/main"
PRODUCT = (
    "apiVersion: floe.dev/v1\nkind: FloeSpec\nmetadata: {name: NAME, version: 1.0.0, owner: ann@example.com}\n"
    "transforms: [{type: dbt, path: dbt}]\n"
)


def product(name: str) -> dict[str, str | bytes | None]:
    return {
        f"{name}/floe.yaml": PRODUCT.replace("NAME", name),
        f"{name}/dbt/dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: floe\n",
        f"{name}/dbt/models/one.sql": "select 1 as id",
    }


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin.create(tmp_path / "forge" / "shop")


@pytest.fixture
def registry(bus: Bus) -> ProductRegistry:
    return ProductRegistry(lambda: bus.key_value(PRODUCTS_BUCKET))


def git(tmp_path: Path, path: str | None = None, **settings: Any) -> GitProgram:
    environment = {"PATH": os.environ["PATH"] if path is None else path, "SECRET": "canary"}
    return GitProgram(GitSettings(local=True, **settings), environment, tmp_path)


def program(folder: Path, script: str) -> str:
    """A folder with a program that is called git."""
    folder.mkdir()
    (folder / "git").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "git").chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.bus
@pytest.mark.dbt
@pytest.mark.parametrize("broken", [1, 2, 3])
async def test_a_push_that_breaks_off_is_taken_up_and_nothing_is_said_twice(
    start_compiler: Any, submissions: Any, bus: Bus, origin: Origin, monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    """The bus goes away between an event and its being remembered: after the first product, the second, or the end."""
    saves = 0
    save = ProductRegistry.save

    async def breaking(self: ProductRegistry, tenant: str, stored: StoredRef, state: RefState) -> StoredRef:
        nonlocal saves
        saves += 1
        if saves == broken:
            raise Unreachable("the bus went away")
        return await save(self, tenant, stored, state)

    monkeypatch.setattr(ProductRegistry, "save", breaking)
    await start_compiler(FLOE_COMPILER_GIT_LOCAL="true", FLOE_COMPILER_GIT_REPOSITORIES='["*"]')

    async def push(**files: str | bytes | None) -> str:
        commit = origin.commit(files)
        name = read_repository(origin.url).name
        pushed = GitPushed(tenant="default", repository=name, url=origin.url, ref=MAIN, after=commit, delivery=commit)
        await bus.publish(pushed, id=push_event_id(pushed))
        await eventually(lambda: all_handled(bus, SPECS, COMPILER), timeout=60)
        return commit

    first = await push(**product("orders"), **product("billing"))
    said = [received.event for received in await submissions.outcomes()]
    assert [(event.product, event.submission) for event in said] == [("billing", first), ("orders", first)]
    assert saves > broken
    saves = 0 if broken == 1 else 99
    await push(**dict.fromkeys(product("billing")))
    events = [received.event for received in await submissions.outcomes()][2:]
    assert [(type(event), event.product) for event in events] == [(ArtifactRetired, "billing")]
    assert isinstance(said[0], ArtifactCompiled)


@pytest.mark.bus
async def test_the_state_of_a_ref_is_written_by_compare_and_set(registry: ProductRegistry) -> None:
    stored = await registry.ref_state("t", "r", MAIN)
    assert (stored.revision, stored.state) == (0, RefState(repository="r", ref=MAIN))
    first = await registry.save("t", stored, stored.state.model_copy(update={"commit": "1"}))
    with pytest.raises(StateChanged) as caught:
        await registry.save("t", stored, stored.state)
    assert caught.value.code == "FLOE-GIT-008"
    assert await registry.ref_state("t", "r", MAIN) == first
    other = await registry.ref_state("t", "r", "refs/heads/other")
    await registry.save("t", other, other.state)
    assert [state.ref for state in await registry.other_refs("t", "r", MAIN)] == ["refs/heads/other"]
    assert await registry.other_refs("t", "r2", MAIN) == ()


@pytest.mark.bus
async def test_a_name_has_one_owner_until_that_gives_it_back(registry: ProductRegistry) -> None:
    assert await registry.owner("t", "orders") is None
    assert await registry.claim("t", "orders", "first") == "first"
    assert await registry.claim("t", "orders", "second") == "first"
    assert await registry.claim("t", "orders", "first") == "first"
    assert await registry.claim("t2", "orders", "second") == "second"
    await registry.release("t", "orders", "second")
    assert await registry.owner("t", "orders") == "first"
    await registry.release("t", "orders", "first")
    await registry.release("t", "orders", "first")
    assert await registry.owner("t", "orders") is None
    assert await registry.claim("t", "orders", "second") == "second"


@pytest.mark.bus
async def test_keys_of_odd_names_are_keys_of_the_bus(registry: ProductRegistry) -> None:
    assert await registry.claim("a.b *>", "é/..", "r") == "r"
    assert owner_key("a.b", "c") != owner_key("a", "b.c")
    assert ref_key("t", "host/a.b", MAIN).count(".") == 3


async def test_git_gets_an_environment_of_its_own(tmp_path: Path) -> None:
    own = program(tmp_path / "bin", 'env; pwd; echo "$@"')
    known_hosts = tmp_path / "known hosts"
    program_ = git(
        tmp_path, own, ssh_key_file=tmp_path / "key", known_hosts_file=known_hosts, credentials_file=known_hosts
    )
    said = (await program_.run("status", folder=tmp_path)).stdout.decode()
    assert "canary" not in said
    lines = set(said.splitlines())
    assert {
        "GIT_TERMINAL_PROMPT=0",
        "GIT_CONFIG_NOSYSTEM=1",
        "GIT_CONFIG_GLOBAL=/dev/null",
        "GIT_ALLOW_PROTOCOL=https:ssh:file",
        f"GIT_DIR={tmp_path}",
        f"HOME={tmp_path}",
    } <= lines
    ssh = next(line for line in lines if line.startswith("GIT_SSH_COMMAND="))
    assert "BatchMode=yes" in ssh
    assert "StrictHostKeyChecking=yes" in ssh
    assert f"'UserKnownHostsFile={known_hosts}'" in ssh
    assert f"-i {tmp_path / 'key'}" in ssh
    assert f"credential.helper=store --file='{known_hosts}'" in said
    for setting in ("core.hooksPath=/dev/null", "core.symlinks=false", "protocol.ext.allow=never"):
        assert f"-c {setting}" in said
    closed = GitProgram(GitSettings(), {"PATH": own}, tmp_path)
    assert b"GIT_ALLOW_PROTOCOL=https:ssh\n" in (await closed.run("status", folder=tmp_path)).stdout


async def test_a_git_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    started = tmp_path / "started"
    slow = git(tmp_path, program(tmp_path / "bin", f"sleep 600 & echo $! > {started}; wait"), timeout=0.5)
    with pytest.raises(GitFailed, match="git status took longer than") as caught:
        await slow.run("-c", "a=b", "status", folder=tmp_path)
    assert caught.value.code == "FLOE-GIT-006"

    def gone() -> bool:
        with suppress(FileNotFoundError, ProcessLookupError):  # nothing was started, or it is gone
            pid = started.read_text().strip()
            return not pid or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
        return True

    if sys.platform == "linux":
        await eventually(gone)


async def test_a_git_that_says_much_and_fails_is_quoted_shortly(tmp_path: Path) -> None:
    script = "i=0; while [ $i -lt 4000 ]; do echo 'remote: noise noise noise noise noise' >&2; i=$((i+1)); done; echo"
    failing = git(tmp_path, program(tmp_path / "bin", f"{script} 'fatal: no\033 such thing' >&2; exit 128"))
    with pytest.raises(GitFailed) as caught:
        await failing.run("fetch", folder=tmp_path)
    assert "noise" not in caught.value.message or len(caught.value.message) < 400
    assert caught.value.message.isprintable()


async def test_without_git_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(GitMissing) as caught:
        await git(tmp_path, "/nowhere").run("status", folder=tmp_path)
    assert caught.value.code == "FLOE-GIT-007"


async def test_a_git_that_fills_the_disk_is_ended(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    filling = git(tmp_path, program(tmp_path / "bin", "while true; do echo 1234567890 >> much; done"))
    with pytest.raises(RepositoryTooLarge) as caught:
        await asyncio.wait_for(filling.run("fetch", folder=cache, quota=Quota(cache, 10_000)), 20)
    assert caught.value.code == "FLOE-GIT-005"


async def test_reading_never_asks_the_server(tmp_path: Path, origin: Origin) -> None:
    """A content that was not brought is missing; it is not fetched behind our back."""
    repositories = GitRepositories(git(tmp_path), tmp_path / "caches", GitSettings(local=True))
    origin.commit(product("orders"))
    repository = read_repository(origin.url)
    commit = await repositories.fetch(repository, MAIN)
    files = [entry for entry in commit.entries if entry.is_file]
    with pytest.raises(GitFailed, match="the cache has lost"):
        await repositories.read(repository, [files[0].oid])
    commit = await repositories.fetch(repository, MAIN)
    sizes = await repositories.bring(repository, [file.oid for file in files])
    contents = await repositories.read(repository, [file.oid for file in files])
    assert {oid: len(content) for oid, content in contents.items()} == sizes
    with pytest.raises(GitFailed):
        await repositories.bring(repository, ["1" * 40])


async def test_what_a_killed_call_left_is_in_nobodys_way(tmp_path: Path, origin: Origin) -> None:
    repositories = GitRepositories(git(tmp_path), tmp_path / "caches", GitSettings(local=True))
    repository = read_repository(origin.url)
    origin.commit(product("orders"))
    await repositories.fetch(repository, MAIN)
    (cache,) = (tmp_path / "caches").iterdir()
    for left in ("shallow.lock", "refs/floe/head.lock", "objects/pack/tmp_pack_1", "config.lock"):
        (cache / left).write_bytes(b"")
    head = origin.commit({"README.md": "more"})
    assert (await repositories.fetch(repository, MAIN)).oid == head
    (cache / "HEAD").write_text("rubbish")
    with pytest.raises(GitFailed):
        await repositories.fetch(repository, MAIN)
    assert (await repositories.fetch(repository, MAIN)).oid == head  # made anew


async def test_a_ref_is_told_from_those_that_end_like_it(tmp_path: Path, origin: Origin) -> None:
    repositories = GitRepositories(git(tmp_path), tmp_path / "caches", GitSettings(local=True))
    repository = read_repository(origin.url)
    head = origin.commit({"README.md": "hello"})
    origin.git("update-ref", "refs/other/refs/heads/topic", head)
    assert await repositories.head(repository, "refs/heads/topic") is None
    assert await repositories.head(repository, MAIN) == head


@pytest.mark.bus
async def test_a_dry_run_takes_no_name_and_an_address_is_as_good_as_a_name(registry: ProductRegistry) -> None:
    ownership = Ownership(registry)

    def submitted(repository: str | None, *, dry_run: bool = False) -> SpecSubmitted:
        source = None if repository is None else SourceReference(repository=repository)
        return SpecSubmitted(
            tenant="t", product="orders", submission="s", bundle="sha256:1", source=source, dry_run=dry_run
        )

    url = "https://git.example.com/shop/orders.git"
    assert await ownership.refusal(submitted(None)) is None
    assert await ownership.refusal(submitted(url, dry_run=True)) is None
    assert await registry.owner("t", "orders") is None
    assert await ownership.refusal(submitted(url)) is None
    assert await registry.owner("t", "orders") is None
    assert await ownership.take(submitted(None)) is None
    assert await ownership.take(submitted(url)) is None
    assert await registry.owner("t", "orders") == "git.example.com/shop/orders"
    assert await ownership.take(submitted("https://git.example.com/thief/orders.git")) is not None
    for same in ("git.example.com/shop/orders", "ssh://git@git.example.com/shop/orders", url):
        assert await ownership.refusal(submitted(same)) is None
    for other in (None, "https://git.example.com/thief/orders.git", "-oProxyCommand=x"):
        for dry_run in (False, True):
            refusal = await ownership.refusal(submitted(other, dry_run=dry_run))
            assert refusal is not None
            assert [problem.code for problem in refusal.problems] == ["FLOE-GIT-015"]
            assert refusal.dry_run == dry_run
