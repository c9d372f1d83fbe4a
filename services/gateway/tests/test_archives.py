"""Archives that nobody should unpack: over real HTTP, and at small limits."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from pathlib import Path

import pytest

from floe_gateway.adapters.tar_files import unpack
from floe_gateway.adapters.upload import Upload
from floe_gateway.core.archive_rules import Limits
from floe_gateway.errors import ArchiveInvalid, ArchiveUnsafe, SubmissionTooLarge

SMALL = Limits(compressed=10_000, unpacked=20_000, entries=4)


def entry(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, **attributes: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = size
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info


def archive(*entries: tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form, errors="surrogateescape") as tar:
        for one in entries:
            tar.addfile(one, io.BytesIO(b"x" * one.size))
    return buffer.getvalue()


def unpacked(content: bytes, folder: Path, limits: Limits = SMALL) -> dict[str, bytes]:
    target = folder / "product"
    target.mkdir()
    unpack(io.BytesIO(content), target, limits)
    return {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}


def test_files_and_folders_come_out_and_modes_do_not(tmp_path: Path) -> None:
    content = archive(
        entry("a", tarfile.DIRTYPE), entry("a/run.sh", size=3, mode=0o6711), entry("b/c.sql", size=2, mode=0)
    )
    assert unpacked(content, tmp_path) == {"a/run.sh": b"xxx", "b/c.sql": b"xx"}
    assert (tmp_path / "product/a/run.sh").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "product/b/c.sql").stat().st_mode & 0o7777 == 0o644


@pytest.mark.parametrize(
    "evil",
    [
        entry("link", tarfile.SYMTYPE, linkname="/etc/passwd"),
        entry("link", tarfile.LNKTYPE, linkname="a"),
        entry("device", tarfile.CHRTYPE),
        entry("device", tarfile.BLKTYPE),
        entry("pipe", tarfile.FIFOTYPE),
        entry("sparse", tarfile.GNUTYPE_SPARSE),
        entry("/etc/cron.d/x"),
        entry("../outside"),
        entry("a/../../outside"),
        entry("a/./../.."),
        entry("line\nbreak"),
        entry("tab\there"),
        entry("\udcff.sql"),
        entry("x" * 300),
        entry("/".join(["deep"] * 300)),
        entry("."),
    ],
    ids=lambda info: f"{info.type!r}-{info.name[:12]!a}",
)
def test_what_leads_astray_is_refused(tmp_path: Path, evil: tarfile.TarInfo) -> None:
    with pytest.raises(ArchiveUnsafe, match="FLOE-GATE-007"):
        unpacked(archive(evil, form=tarfile.GNU_FORMAT), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["product"]
    assert list((tmp_path / "product").iterdir()) == []


@pytest.mark.parametrize(
    "entries",
    [
        (entry("a"), entry("a")),
        (entry("a"), entry("./a")),
        (entry("a"), entry("a/b")),
        (entry("a/b"), entry("a")),
        (entry("a"), entry("a", tarfile.DIRTYPE)),
    ],
)
def test_entries_in_each_others_way_are_refused(tmp_path: Path, entries: tuple[tarfile.TarInfo, ...]) -> None:
    with pytest.raises(ArchiveUnsafe, match="twice"):
        unpacked(archive(*entries), tmp_path)


def test_one_entry_too_many_is_refused(tmp_path: Path) -> None:
    assert len(unpacked(archive(*(entry(str(n)) for n in range(4))), tmp_path)) == 4
    with pytest.raises(SubmissionTooLarge, match="more than 4 entries"):
        unpack(io.BytesIO(archive(*(entry(str(n)) for n in range(5)))), tmp_path, SMALL)


def test_a_broken_archive_is_refused(tmp_path: Path) -> None:
    whole = archive(entry("a", size=600), entry("b", size=600))
    broken_header = bytearray(whole)
    second = 512 + 1024
    broken_header[second : second + 8] = b"garbage!"
    for number, content in enumerate((b"", b"rubbish" * 100, whole[:900], bytes(broken_header))):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(ArchiveInvalid, match="FLOE-GATE-006"):
            unpacked(content, folder)


def test_headers_that_lead_tarfile_astray_are_refused(tmp_path: Path) -> None:
    long_header = archive(entry("a", pax_headers={"comment": "1" * 50_000}))
    chained = archive(entry("x" * 200), form=tarfile.GNU_FORMAT)[:1024] * 3000 + b"\0" * 1024
    negative = bytearray(archive(entry("a", size=512)))
    negative[124:136] = struct.pack(">B", 0xFF) + (-1024).to_bytes(11, "big", signed=True)
    checksum = sum(negative[:148]) + sum(negative[156:512]) + 8 * 32
    negative[148:156] = b"%06o\0 " % checksum
    for number, content in enumerate((long_header, chained, bytes(negative))):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(ArchiveInvalid, match="FLOE-GATE-006"):
            unpacked(content, folder, Limits(entries=10))


def received(content: bytes, *, chunk: int, limits: Limits = SMALL) -> bytes:
    target = io.BytesIO()
    upload = Upload(target, limits)
    for start in range(0, len(content), chunk):
        upload.feed(content[start : start + chunk])
    upload.finish()
    return target.getvalue()


@pytest.mark.parametrize("chunk", [1, 7, 100_000])
def test_a_body_arrives_whole_in_whatever_parts(chunk: int) -> None:
    content = bytes(range(256)) * 60
    assert received(gzip.compress(content) + b"\0" * 100, chunk=chunk) == content


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no gzip at all",
        gzip.compress(b"x" * 99)[:-1],
        gzip.compress(b"a") + gzip.compress(b"b"),
        gzip.compress(b"a") + b"x",
    ],
    ids=["empty", "no gzip", "cut short", "two streams", "something after it"],
)
def test_a_body_that_is_not_one_whole_gzip_stream_is_refused(body: bytes) -> None:
    with pytest.raises(ArchiveInvalid):
        received(body, chunk=5)


def test_a_body_is_refused_at_the_limit_and_not_after_it() -> None:
    target = io.BytesIO()
    upload = Upload(target, SMALL)
    with pytest.raises(SubmissionTooLarge, match="unpacks to more than"):
        upload.feed(gzip.compress(b"\0" * 5_000_000))
    assert len(target.getvalue()) <= 1024 * 1024
    with pytest.raises(SubmissionTooLarge, match="more than 10000 bytes"):
        Upload(target, SMALL).feed(b"\x1f" * 10_001)
