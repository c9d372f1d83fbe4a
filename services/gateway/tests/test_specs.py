"""Submitting specs over real HTTP: what is taken, and what comes of it."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog

from floe_chassis.blobs import open_blobs
from floe_chassis.source_bundles import unpack
from floe_contracts.digests import digest_of, is_digest
from floe_contracts.platform_spec import DEFAULT_PLATFORM
from floe_gateway.core.submission import read_submission, without_credentials
from floe_gateway.errors import RequestInvalid

pytestmark = pytest.mark.bus

MEGABYTE = 1024 * 1024


def problem(answer: tuple[int, Any, Any]) -> tuple[int, str]:
    status, document, _ = answer
    assert set(document) >= {"code", "message"}
    return status, document["code"]


def put_in_the_way(blobs_url: str) -> None:
    blobs = Path(blobs_url.removeprefix("file://"))
    blobs.rmdir()
    blobs.write_text("in the way")


async def test_a_submission_becomes_an_event_and_blobs(door, product, packed, submitted, environment, tmp_path) -> None:
    headers = {
        "Floe-Submission": "push-1",
        "Floe-Repository": "https://robot:secret@git.example.com/shop/orders.git",
        "Floe-Ref": "refs/heads/grün",
        "Floe-Commit": "0123abcd",
    }
    status, answer, _ = await door.submit(packed(product), headers)
    assert status == 202
    assert is_digest(answer["bundle"])
    assert answer == {
        "submission": "push-1",
        "product": "orders",
        "bundle": answer["bundle"],
        "id": f"orders:push-1:{answer['bundle']}",
        "duplicate": False,
    }
    (received,) = await submitted()
    assert received.attributes.id == answer["id"]
    assert received.attributes.source == "floe/gateway"
    assert received.event.model_dump(exclude_defaults=True) == {
        "tenant": "acme",
        "product": "orders",
        "submission": "push-1",
        "bundle": answer["bundle"],
        "source": {
            "repository": "https://git.example.com/shop/orders.git",
            "ref": "refs/heads/grün",
            "commit": "0123abcd",
        },
    }
    folder = tmp_path / "unpacked"
    await unpack(answer["bundle"], open_blobs(environment["FLOE_BLOBS_URL"]), folder)
    assert {path: (folder / path).read_bytes() for path in product} == product


async def test_the_same_submission_is_stored_once(door, product, packed, submitted) -> None:
    answers = [await door.submit(packed(product), {"Floe-Submission": "push-1"}) for _ in range(2)]
    assert [(status, answer["duplicate"]) for status, answer, _ in answers] == [(202, False), (202, True)]
    assert len(await submitted()) == 1


async def test_submissions_without_an_id_are_told_apart(door, product, packed, submitted) -> None:
    answers = [(await door.submit(packed(product)))[1] for _ in range(2)]
    assert answers[0]["bundle"] == answers[1]["bundle"]
    assert answers[0]["submission"] != answers[1]["submission"]
    assert len(await submitted()) == 2


async def test_the_product_folder_may_be_packed_as_a_whole(door, product, packed) -> None:
    dotted = {f"./{path}": content for path, content in product.items()}
    plain, with_dots = [(await door.submit(packed(files)))[1]["bundle"] for files in (product, dotted)]
    assert plain == with_dots


async def test_a_platform_document_is_kept_beside_the_bundle(
    door, gateway, environment, product, packed, submitted
) -> None:
    platform = DEFAULT_PLATFORM.encode()
    body = packed(product | {"platform.yaml": platform})
    assert (await door.submit(body))[0] == 202
    async with gateway(environment | {"FLOE_GATEWAY_PLATFORM_FIXED": "true"}) as fixed:
        assert (await fixed.submit(body))[0] == 202
    first, second = await submitted()
    assert first.event.platform == digest_of(platform)
    assert await open_blobs(environment["FLOE_BLOBS_URL"]).get(first.event.platform) == platform
    assert second.event.platform is None


async def test_the_documents_above_the_platform_are_kept_too(door, environment, product, packed, submitted) -> None:
    above = DEFAULT_PLATFORM.replace("metadata:", "scope: enterprise\nmetadata:").encode()
    below = b"apiVersion: floe.dev/v1\nkind: PlatformSpec\nmetadata: {name: own, version: 1.0.0, owner: me}\n"
    below += b"scope: domain\nparent: {file: ../enterprise.yaml}\n"
    files = product | {
        "floe.yaml": product["floe.yaml"] + b"platform: {file: platform/own.yaml}\n",
        "platform/own.yaml": below,
        "enterprise.yaml": above,
    }
    assert (await door.submit(packed(files)))[0] == 202
    (received,) = await submitted()
    assert received.event.platform == digest_of(below)
    assert received.event.platform_parents == {"../enterprise.yaml": digest_of(above)}
    assert await open_blobs(environment["FLOE_BLOBS_URL"]).get(digest_of(above)) == above


async def test_documents_of_older_forms_are_taken_with_the_manifest_beside_them(
    door, product, packed, submitted
) -> None:
    manifest = b"apiVersion: floe.dev/v1\nkind: Manifest\nmetadata: {name: a, version: 1.0.0, owner: b}\nplugins: {}\n"
    flat = b"name: Order_Lines\nversion: v1\n"
    status, answer, _ = await door.submit(packed(product | {"floe.yaml": flat, "manifest.yaml": manifest}))
    assert (status, answer["product"]) == (202, "order-lines")
    (received,) = await submitted()
    assert received.event.platform == digest_of(manifest)
    status, answer, _ = await door.submit(packed(product | {"floe.yaml": flat + b"compute: {target: duckdb}\n"}))
    assert (status, answer["problems"][0]["path"], answer["problems"][0]["line"]) == (422, "compute", 3)


@pytest.mark.parametrize("parent", ["../../outside.yaml", "missing.yaml"])
async def test_a_parent_stands_in_the_archive(door, product, packed, submitted, tmp_path, parent) -> None:
    (tmp_path.parent / "outside.yaml").write_text(DEFAULT_PLATFORM)
    platform = DEFAULT_PLATFORM + f"scope: domain\nparent: {{file: {parent}}}\n"
    status, answer, _ = await door.submit(packed(product | {"platform.yaml": platform.encode()}))
    assert status == 422
    assert [problem["code"] for problem in answer["problems"]] == ["FLOE-PLAT-001"]
    named = product["floe.yaml"] + b"platform: {file: ../platform.yaml}\n"
    status, answer, _ = await door.submit(packed(product | {"floe.yaml": named}))
    assert [problem["code"] for problem in answer["problems"]] == ["FLOE-PLAT-007"]
    assert await submitted() == []


async def test_all_problems_of_both_documents_are_told_with_their_places(door, product, packed, submitted) -> None:
    broken = product["floe.yaml"].replace(b"version: 1.0.0", b"version: one").replace(b"owner:", b"ovner:")
    files = product | {"floe.yaml": broken, "platform.yaml": b"kind: PlatformSpec\n"}
    status, answer, _ = await door.submit(packed(files))
    assert (status, answer["code"]) == (422, "FLOE-SPEC-001")
    places = [(problem["file"], problem.get("line")) for problem in answer["problems"]]
    assert places[:2] == [("floe.yaml", 3), ("floe.yaml", 3)]
    assert places[-1][0] == "platform.yaml"
    misspelt = next(problem for problem in answer["problems"] if "ovner" in problem["message"])
    assert misspelt["column"] > 1
    assert "did you mean 'owner'" in misspelt["hint"]
    assert await submitted() == []


@pytest.mark.parametrize("text", [b"\xff\xfe", b"a: [", b"x" * 300_000])
async def test_a_spec_that_cannot_be_read_is_told_of(door, product, packed, text) -> None:
    status, answer, _ = await door.submit(packed(product | {"floe.yaml": text}))
    assert status == 422
    assert [(problem["code"], problem["file"]) for problem in answer["problems"]] == [("FLOE-SPEC-002", "floe.yaml")]


async def test_an_archive_without_a_spec_at_its_root_is_refused(door, product, packed) -> None:
    inside = {f"orders/{path}": content for path, content in product.items()}
    assert problem(await door.submit(packed(inside))) == (422, "FLOE-GATE-008")


async def test_what_a_bundle_does_not_carry_is_refused(door, product, packed) -> None:
    answer = await door.submit(packed(product | {"dbt/seeds/large.csv": b"\0" * 21_000_000}))
    assert problem(answer) == (422, "FLOE-BUNDLE-001")


@pytest.mark.parametrize("content_type", ["application/json", "application/x-tar", ""])
async def test_another_media_type_is_refused(door, product, packed, content_type) -> None:
    answer = await door.submit(packed(product), {"Content-Type": content_type})
    assert problem(answer) == (415, "FLOE-GATE-004")


async def test_both_media_types_are_taken(door, product, packed) -> None:
    for content_type in ("application/x-tar+gzip", "Application/GZIP; charset=binary"):
        assert (await door.submit(packed(product), {"Content-Type": content_type}))[0] == 202


@pytest.mark.parametrize(
    "headers",
    [
        {"Floe-Submission": "a b"},
        {"Floe-Submission": "x" * 200},
        {"Floe-Submission": "grün"},
        {"Floe-Commit": "0123abcd"},
        {"Floe-Repository": "https://[broken"},
    ],
)
async def test_headers_that_cannot_be_used_are_refused(door, product, packed, headers) -> None:
    assert problem(await door.submit(packed(product), headers)) == (400, "FLOE-GATE-003")


async def test_too_large_a_body_is_refused_before_it_is_read(door) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        head = gzip.compress(b"")[:10]
        yield head
        while True:
            # stored blocks of random bytes: gzip that does not shrink
            block = os.urandom(60_000)
            size = len(block).to_bytes(2, "little")
            sent += len(block)
            yield b"\0" + size + bytes(byte ^ 0xFF for byte in size) + block

    try:
        answer = await door.submit(endless())
    except aiohttp.ClientError:  # the server hung up while we were still sending
        answer = None
    assert answer is None or problem(answer) == (413, "FLOE-GATE-005")
    assert 20 * MEGABYTE < sent < 40 * MEGABYTE


async def test_a_bomb_is_refused(door) -> None:
    bomb = gzip.compress(b"\0" * (101 * MEGABYTE), compresslevel=9)
    assert len(bomb) < MEGABYTE
    assert problem(await door.submit(bomb)) == (413, "FLOE-GATE-005")


async def test_a_body_that_does_not_arrive_is_given_up(bus, gateway, environment) -> None:
    async def stalled() -> Any:
        yield b"\x1f\x8b"
        await asyncio.Event().wait()

    async with gateway(environment | {"FLOE_GATEWAY_UPLOAD_SECONDS": "0.3"}) as client:
        assert problem(await client.submit(stalled())) == (408, "FLOE-GATE-011")


async def test_a_caller_that_hangs_up_is_no_failure(door, submitted) -> None:
    host, _, port = door.service.http_address.removeprefix("http://").partition(":")
    with structlog.testing.capture_logs() as logs:
        _, writer = await asyncio.open_connection(host, int(port))
        head = "POST /v1/specs HTTP/1.1\r\nHost: x\r\nContent-Type: application/gzip\r\nContent-Length: 99\r\n\r\n"
        writer.write(head.encode() + b"\x1f")
        await writer.drain()
        writer.close()
        assert (await door.ask("GET", "/readyz"))[0] == 200
    assert [entry for entry in logs if entry["event"].startswith("request.")] == []
    assert await submitted() == []


def test_what_no_header_can_hold_is_refused() -> None:
    for value in ("\xff", "\x7f", " ", "x" * 600):
        with pytest.raises(RequestInvalid, match="FLOE-GATE-003"):
            read_submission({"Floe-Repository": value}, generated="g")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://git.example.com/a.git", "https://git.example.com/a.git"),
        ("https://token@git.example.com:8443/a.git", "https://git.example.com:8443/a.git"),
        ("ssh://git:pass@git.example.com/a.git", "ssh://git.example.com/a.git"),
        ("git@git.example.com:a.git", "git@git.example.com:a.git"),
        ("../a@b", "../a@b"),
    ],
)
def test_no_secret_of_an_address_goes_into_an_event(given: str, kept: str) -> None:
    assert without_credentials(given) == kept


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/specs/", "/docs"])
async def test_an_unknown_path_is_a_problem_object(door, path) -> None:
    assert problem(await door.ask("GET", path)) == (404, "FLOE-GATE-009")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
async def test_another_method_is_a_problem_object(door, method) -> None:
    assert problem(await door.ask(method, "/v1/specs")) == (405, "FLOE-GATE-010")


async def test_only_callers_with_the_token_are_served(bus, gateway, environment, product, packed, submitted) -> None:
    async with gateway(environment | {"FLOE_GATEWAY_TOKEN": "s3cret"}) as client:
        for wrong in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": "s3cret"},
            {"Authorization": "Bearer \xe9"},
        ):
            status, answer, headers = await client.submit(packed(product), wrong)
            assert (status, answer["code"]) == (401, "FLOE-GATE-002")
            assert headers["WWW-Authenticate"] == "Bearer"
            assert "s3cret" not in json.dumps(answer)
        assert (await client.submit(packed(product), {"Authorization": "Bearer s3cret"}))[0] == 202
    assert len(await submitted()) == 1


async def test_without_a_bus_the_caller_is_asked_to_come_again(gateway, environment, product, packed, bus) -> None:
    async with gateway(environment | {"FLOE_GATEWAY_PUBLISH_SECONDS": "0.5"}) as client:
        await bus.js.delete_stream("FLOE_SPECS")
        status, answer, headers = await client.submit(packed(product))
        assert (status, answer["code"]) == (503, "FLOE-BUS-002")
        assert int(headers["Retry-After"]) > 0
        await client.service.bus.close()
        status, answer, headers = await client.submit(packed(product))
        assert (status, answer["code"]) == (503, "FLOE-BUS-002")
        assert int(headers["Retry-After"]) > 0


async def test_without_a_blob_store_the_caller_is_asked_to_come_again(
    door, product, packed, environment, submitted
) -> None:
    put_in_the_way(environment["FLOE_BLOBS_URL"])
    status, answer, headers = await door.submit(packed(product))
    assert (status, answer["code"]) == (503, "FLOE-BUS-002")
    assert int(headers["Retry-After"]) > 0
    assert await submitted() == []


async def test_without_temporary_storage_the_caller_is_asked_to_come_again(door, product, packed, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    assert problem(await door.submit(packed(product))) == (503, "FLOE-GATE-012")


async def test_what_nobody_foresaw_is_a_problem_object_too(door, product, packed, monkeypatch) -> None:
    monkeypatch.setattr("floe_gateway.specs.endpoints.read_submission", lambda *_, **__: 1 / 0)
    assert problem(await door.submit(packed(product))) == (500, "FLOE-CORE-001")
