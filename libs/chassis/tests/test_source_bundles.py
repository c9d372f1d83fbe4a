"""Packing and unpacking projects."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from floe_chassis.blobs import BlobStore, open_blobs
from floe_chassis.bundle_documents import COUNT_LIMIT, FILE_LIMIT, TOTAL_LIMIT, read_bundle
from floe_chassis.errors import BundleInvalid, BundleRefused
from floe_chassis.source_bundles import bundle_digest, pack, unpack, unpacked_paths
from floe_contracts.digests import canonical_json
from floe_contracts.errors import BlobMissing

SOURCES = {
    "floe.yaml": "apiVersion: floe.dev/v1",
    "dbt_project.yml": "name: shop",
    "models/orders.sql": "select 1",
    "models/logs/events.sql": "select 2",
    "models/target/goals.sql": "select 1",
    "seeds/ü.csv": "a,b",
    "dbt_packages/utils/macros/x.sql": "{% macro x() %}{% endmacro %}",
}
LEFT_OUT = {
    ".git/config": "[core]",
    ".floe/state": "x",
    ".env": "SECRET=1",
    ".env.local": "SECRET=1",
    "target/manifest.json": "{}",
    "logs/dbt.log": "x",
    "models/__pycache__/a.pyc": "x",
    "warehouse.duckdb": "x",
    "data/warehouse.duckdb.wal": "x",
    "data/old.db": "x",
    "data/old.sqlite": "x",
    "dbt_packages/utils/dbt_project.yml": "name: utils",
    "dbt_packages/utils/target/manifest.json": "{}",
}


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return open_blobs((tmp_path / "blobs").as_uri())


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def content(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): p.read_text() for p in files if p.name != "bundle.json"}


async def listed(digest: str, store: BlobStore) -> list[str]:
    return [file.path for file in read_bundle(await store.get(digest))]


async def test_sources_are_packed_and_the_rest_is_left_out(tmp_path: Path, store: BlobStore) -> None:
    folder = write(tmp_path / "project", SOURCES | LEFT_OUT)
    paths = await listed(await pack(folder, store), store)
    assert paths == sorted([*SOURCES, "dbt_packages/utils/dbt_project.yml"])


async def test_the_digest_depends_on_content_and_mode_alone(tmp_path: Path, store: BlobStore) -> None:
    first = write(tmp_path / "one", SOURCES)
    second = write(tmp_path / "elsewhere" / "two", dict(reversed(SOURCES.items())))
    os.utime(second / "floe.yaml", (1, 1))
    (second / "floe.yaml").chmod(0o600)
    (second / "empty").mkdir()
    digest = await pack(first, store)
    assert await pack(second, store) == digest
    (second / "floe.yaml").chmod(0o755)
    assert await pack(second, store) != digest


async def test_unpacking_gives_the_same_bundle_again(tmp_path: Path, store: BlobStore) -> None:
    folder = write(tmp_path / "project", SOURCES)
    (folder / "models/orders.sql").chmod(0o755)
    digest = await pack(folder, store)
    await unpack(digest, store, tmp_path / "copy")
    assert content(tmp_path / "copy") == content(folder)
    assert (tmp_path / "copy/models/orders.sql").stat().st_mode & 0o777 == 0o755
    assert await pack(tmp_path / "copy", store) == digest


async def test_unpacking_over_an_older_state_touches_only_what_differs(tmp_path: Path, store: BlobStore) -> None:
    folder = write(tmp_path / "project", SOURCES)
    copy = tmp_path / "copy"
    await unpack(await pack(folder, store), store, copy)
    write(copy, LEFT_OUT)
    untouched = (copy / "floe.yaml").stat()
    (folder / "models/orders.sql").write_text("select 3")
    (folder / "seeds/ü.csv").unlink()
    (folder / "models/target/goals.sql").chmod(0o755)
    write(folder, {"models/new.sql": "select 4"})
    await unpack(await pack(folder, store), store, copy)
    assert (copy / "floe.yaml").stat().st_mtime_ns == untouched.st_mtime_ns
    assert (copy / "floe.yaml").stat().st_ino == untouched.st_ino
    assert (copy / "models/orders.sql").read_text() == "select 3"
    assert (copy / "models/new.sql").exists()
    assert not (copy / "seeds").exists()
    assert os.access(copy / "models/target/goals.sql", os.X_OK)
    kept = set(LEFT_OUT) - {"dbt_packages/utils/dbt_project.yml"}
    assert kept <= set(content(copy))


async def test_packages_that_floe_installed_stay_unless_the_bundle_brings_its_own(
    tmp_path: Path, store: BlobStore
) -> None:
    folder = write(tmp_path / "project", {"floe.yaml": "a"})
    copy = write(tmp_path / "copy", {"dbt_packages/utils/macros/x.sql": "x", "stale.sql": "x"})
    (copy / "dbt_packages/local").symlink_to(tmp_path / "project")
    await unpack(await pack(folder, store), store, copy)
    assert set(content(copy)) >= {"floe.yaml", "dbt_packages/utils/macros/x.sql"}
    assert not (copy / "stale.sql").exists()
    assert (copy / "dbt_packages/local").is_symlink()
    write(folder, {"dbt_packages/other/macros/y.sql": "y"})
    await unpack(await pack(folder, store), store, copy)
    assert set(content(copy)) == {"floe.yaml", "dbt_packages/other/macros/y.sql"}


async def test_packages_that_a_bundle_brought_go_with_the_next_one(tmp_path: Path, store: BlobStore) -> None:
    folder = write(tmp_path / "project", {"floe.yaml": "a", "dbt_packages/brought/x.sql": "x"})
    copy = tmp_path / "copy"
    await unpack(await pack(folder, store), store, copy)
    write(copy, {"dbt_packages/installed/y.sql": "y"})
    shutil.rmtree(folder / "dbt_packages")
    await unpack(await pack(folder, store), store, copy)
    assert set(content(copy)) == {"floe.yaml", "dbt_packages/installed/y.sql"}
    # dbt takes every folder there for a package.
    assert [path.name for path in (copy / "dbt_packages").iterdir()] == ["installed"]


async def test_empty_folders_of_what_is_left_alone_stay(tmp_path: Path, store: BlobStore) -> None:
    folder = write(tmp_path / "project", {"floe.yaml": "a"})
    copy = tmp_path / "copy"
    for name in (".git/refs/tags", "target/run", "stale/deeper"):
        (copy / name).mkdir(parents=True)
    await unpack(await pack(folder, store), store, copy)
    assert (copy / ".git/refs/tags").is_dir()
    assert (copy / "target/run").is_dir()
    assert not (copy / "stale").exists()


async def test_the_digest_can_be_told_without_storing_anything(tmp_path: Path, store: BlobStore) -> None:
    folder = write(tmp_path / "project", SOURCES)
    digest = await bundle_digest(folder)
    assert not await store.has(digest)
    assert await pack(folder, store) == digest


async def test_a_file_may_become_a_folder_and_the_other_way_round(tmp_path: Path, store: BlobStore) -> None:
    folder = write(tmp_path / "project", {"a": "file", "b/c": "in a folder"})
    copy = tmp_path / "copy"
    await unpack(await pack(folder, store), store, copy)
    write(copy, {"b/.env": "left alone"})
    (folder / "a").unlink()
    shutil.rmtree(folder / "b")
    write(folder, {"a/x": "1", "b": "2"})
    await unpack(await pack(folder, store), store, copy)
    assert content(copy) == {"a/x": "1", "b": "2"}


@pytest.mark.parametrize("kind", ["file", "folder", "broken"])
async def test_symlinks_are_refused_by_name(tmp_path: Path, store: BlobStore, kind: str) -> None:
    folder = write(tmp_path / "project", {"floe.yaml": "a", "real/x": "y"})
    goal = {"file": folder / "floe.yaml", "folder": folder / "real", "broken": folder / "nowhere"}[kind]
    (folder / "models").mkdir()
    (folder / "models/link").symlink_to(goal)
    with pytest.raises(BundleRefused, match=r"models/link.*symlinks") as caught:
        await pack(folder, store)
    assert caught.value.where is not None
    assert caught.value.where.file == "models/link"


@pytest.mark.parametrize("name", [b"a\nb.sql", b"a\x7fb.sql", b"not-utf-8-\xff.sql", "bidi-\u202e.sql".encode()])
async def test_names_that_no_one_can_read_are_refused(tmp_path: Path, store: BlobStore, name: bytes) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / os.fsdecode(name)).write_text("x")
    with pytest.raises(BundleRefused, match="control characters"):
        await pack(tmp_path / "project", store)


async def test_special_files_are_refused(tmp_path: Path, store: BlobStore) -> None:
    (tmp_path / "project").mkdir()
    os.mkfifo(tmp_path / "project" / "pipe")
    with pytest.raises(BundleRefused, match="only files"):
        await pack(tmp_path / "project", store)


def sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


async def test_large_files_are_refused(tmp_path: Path, store: BlobStore) -> None:
    sparse(tmp_path / "large.csv", FILE_LIMIT + 1)
    with pytest.raises(BundleRefused, match=r"large\.csv: the file has 20000001 bytes"):
        await pack(tmp_path, store)


async def test_too_many_files_are_refused(tmp_path: Path, store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert COUNT_LIMIT == 10_000
    # Making ten thousand files takes seconds; the rule is the same for three.
    monkeypatch.setattr("floe_chassis.bundle_documents.COUNT_LIMIT", 3)
    folder = write(tmp_path / "project", {str(number): "x" for number in range(3)})
    await pack(folder, store)
    write(folder, {"sub/one-more": "x"})
    with pytest.raises(BundleRefused, match="more than 3 files"):
        await pack(folder, store)


async def test_too_much_altogether_is_refused(tmp_path: Path, store: BlobStore) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    for number in range(TOTAL_LIMIT // FILE_LIMIT + 1):
        sparse(folder / f"{number}", FILE_LIMIT)
    with pytest.raises(BundleRefused, match="more than 100000000 bytes"):
        await pack(folder, store)


def bundle(*paths: str, **changes: object) -> bytes:
    files = [{"path": path, "mode": "644", "sha256": "0" * 64, "size": 1} | changes for path in paths]
    return canonical_json({"version": "1.0", "files": files})


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../outside",
        "a/../../outside",
        "a//b",
        "./a",
        "",
        "a\\b",
        "a\x00b",
        ".git/hooks/post-checkout",
        "sub/.git/config",
        ".env",
        ".floe/x",
        "target/partial_parse.msgpack",
        "warehouse.duckdb",
    ],
)
async def test_a_forged_path_is_refused_before_anything_is_written(tmp_path: Path, store: BlobStore, path: str) -> None:
    digest = await store.put(bundle("floe.yaml", path))
    with pytest.raises(BundleInvalid, match="no bundle may hold"):
        await unpack(digest, store, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    "document",
    [
        b"nonsense",
        b"[]",
        b'{"version": "1.0"}',
        b'{"version": "2.0", "files": []}',
        bundle("a", "a"),
        bundle("dbt/dbt_project.yml", "dbt/target/x"),
        bundle("a", mode="777"),
        bundle("a", mode=["644"]),
        bundle("a", size=-1),
        bundle("a", size=FILE_LIMIT + 1),
        bundle("a", sha256="../x"),
        bundle("a", more="x"),
        bundle(*(str(number) for number in range(COUNT_LIMIT + 1))),
    ],
)
def test_what_is_no_bundle_is_refused(document: bytes) -> None:
    with pytest.raises(BundleInvalid):
        read_bundle(document)


async def test_a_file_of_another_size_than_told_is_refused(tmp_path: Path, store: BlobStore) -> None:
    blob = await store.put(b"four")
    digest = await store.put(bundle("a", sha256=blob.removeprefix("sha256:")))
    with pytest.raises(BundleInvalid, match="4 bytes, not 1"):
        await unpack(digest, store, tmp_path / "copy")


async def test_writing_does_not_follow_a_symlink_that_a_project_left_behind(tmp_path: Path, store: BlobStore) -> None:
    outside = write(tmp_path / "outside", {"orders.sql": "precious"})
    folder = write(tmp_path / "project", {"models/orders.sql": "new", "floe.yaml": "new"})
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "models").symlink_to(outside)
    (copy / "floe.yaml").symlink_to(outside / "orders.sql")
    await unpack(await pack(folder, store), store, copy)
    assert content(outside) == {"orders.sql": "precious"}
    assert content(copy) == content(folder)


async def test_a_bundle_with_a_missing_part_says_which(tmp_path: Path, store: BlobStore) -> None:
    with pytest.raises(BlobMissing):
        await unpack(await store.put(bundle("a")), store, tmp_path / "copy")


PACKAGES = {
    "dbt/dbt_packages/utils/dbt_project.yml": "name: utils",
    "dbt/dbt_packages/utils/macros/x.sql": "{% macro x() %}{% endmacro %}",
}
PROJECT = {
    "floe.yaml": "a",
    "dbt/dbt_project.yml": "name: shop",
    "other/dbt_packages/kept/dbt_project.yml": "name: kept",
}


async def test_packages_are_packed_by_themselves_and_unpacked_with_their_project(
    tmp_path: Path, store: BlobStore
) -> None:
    source = write(tmp_path / "source", PROJECT)
    bundle = await pack(source, store)
    write(source, PACKAGES)
    packages = await pack(source, store, below="dbt/dbt_packages")
    assert [file.path for file in read_bundle(await store.get(packages))] == sorted(PACKAGES)
    folder = tmp_path / "folder"
    await unpack(bundle, store, folder, packages=packages)
    assert content(folder) == PROJECT | PACKAGES
    assert unpacked_paths(folder) == {*PROJECT, *PACKAGES}
    await unpack(bundle, store, folder)
    assert content(folder) == PROJECT, "what an earlier bundle brought goes with it"


async def test_packages_that_came_with_the_project_give_way_to_installed_ones(tmp_path: Path, store: BlobStore) -> None:
    old = {"dbt/dbt_packages/utils/macros/old.sql": "", "dbt/dbt_packages/older/dbt_project.yml": "name: older"}
    bundle = await pack(write(tmp_path / "source", PROJECT | old), store)
    packages = await pack(write(tmp_path / "installed", PACKAGES), store, below="dbt/dbt_packages")
    await unpack(bundle, store, tmp_path / "folder", packages=packages)
    assert content(tmp_path / "folder") == PROJECT | PACKAGES


def test_a_folder_that_nothing_was_unpacked_to(tmp_path: Path) -> None:
    assert unpacked_paths(tmp_path) == frozenset()
