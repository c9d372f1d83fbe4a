"""The blob store."""

from __future__ import annotations

from pathlib import Path

import pytest

from floe_chassis.blobs import open_blobs
from floe_chassis.errors import SettingInvalid
from floe_contracts.digests import digest_of
from floe_contracts.errors import BlobCorrupt, BlobMissing, ContractError, Unreachable

CONTENT = b"some bytes"
DIGEST = digest_of(CONTENT)


def file_of(folder: Path) -> Path:
    return folder / "sha256" / DIGEST.removeprefix("sha256:")


async def test_put_is_idempotent_and_get_gives_back(tmp_path: Path) -> None:
    folder = tmp_path / "a folder" / "blobs"
    store = open_blobs(folder.as_uri())
    assert not await store.has(DIGEST)
    assert await store.put(CONTENT) == DIGEST
    written = file_of(folder).stat().st_mtime_ns
    assert await store.put(CONTENT) == DIGEST
    assert file_of(folder).stat().st_mtime_ns == written
    assert await store.has(DIGEST)
    assert await store.get(DIGEST) == CONTENT


async def test_an_empty_blob_is_a_blob(tmp_path: Path) -> None:
    store = open_blobs(tmp_path.as_uri())
    assert await store.get(await store.put(b"")) == b""


async def test_a_missing_blob_is_told_apart_from_a_corrupt_one(tmp_path: Path) -> None:
    store = open_blobs(tmp_path.as_uri())
    with pytest.raises(BlobMissing, match=DIGEST):
        await store.get(DIGEST)
    await store.put(CONTENT)
    file_of(tmp_path).write_bytes(b"some bites")
    with pytest.raises(BlobCorrupt, match=DIGEST):
        await store.get(DIGEST)


@pytest.mark.parametrize("digest", ["", "abc", "sha256:../../etc/passwd", "sha256:" + "G" * 64])
async def test_only_digests_are_keys(tmp_path: Path, digest: str) -> None:
    with pytest.raises(ContractError):
        await open_blobs(tmp_path.as_uri()).get(digest)


@pytest.mark.parametrize(
    "url", [None, "", "/a/folder", "file://host/folder", "ftp://host/x", "memory:///", "s3://", "file:///dev/null/x"]
)
def test_a_url_that_names_no_store_is_a_wrong_setting(url: str | None) -> None:
    with pytest.raises(SettingInvalid, match="FLOE_BLOBS_URL"):
        open_blobs(url)


async def test_a_store_that_does_not_take_a_blob_is_unreachable(tmp_path: Path) -> None:
    store = open_blobs((tmp_path / "blobs").as_uri())
    (tmp_path / "blobs" / "sha256").write_text("a file where a folder should be")
    with pytest.raises(Unreachable):
        await store.put(CONTENT)
