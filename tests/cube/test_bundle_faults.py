"""Whatever the semantic service answers, Cube serves its last good bundle and runs nothing that it is sent."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from bundle_server import ENVIRONMENT, PRODUCT, BundleServer, Request, reply  # found by the path that conftest.py adds
from cube_facts import refused, serves, told
from cube_server import CubeServer
from models import BROKEN, ORDERS, TOTAL, with_measure

Served = tuple[CubeServer, BundleServer]
ALL = [{"orders.total": "23"}]


def _hangs(handler: Request) -> None:
    handler.connection.settimeout(60)
    with suppress(OSError):
        handler.connection.recv(1)


def _unfinished(handler: Request) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"{")
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def _huge(handler: Request) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(65 * 1024 * 1024))
    handler.end_headers()
    try:
        for _ in range(65):
            handler.wfile.write(b"x" * 1024 * 1024)
    except OSError:
        handler.close_connection = True


FAULTS: dict[str, tuple[Callable[[Request], None], str]] = {
    "another token": (lambda handler: reply(handler, 401, {}, {"detail": "no"}), "FLOE_CUBE_TOKEN is not its token"),
    "an error": (lambda handler: reply(handler, 500, {}, "oops"), "answered 500"),
    "no JSON": (lambda handler: reply(handler, 200, {}, "<html>"), "no JSON object"),
    "a list": (lambda handler: reply(handler, 200, {}, "[]"), "no JSON object"),
    "a redirect": (lambda handler: reply(handler, 302, {"Location": "/elsewhere"}, None), "redirect"),
    "an unfinished answer": (_unfinished, "does not answer"),
    "a huge answer": (_huge, "larger than"),
    "silence": (_hangs, "does not answer"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_whatever_the_service_does_the_last_good_bundle_serves_and_it_is_told_once(served: Served, name: str) -> None:
    cube, bundles = served
    fault, text = FAULTS[name]
    before = len(told(cube, "goes on serving"))
    seen: list[str] = []

    def counted(handler: Request) -> None:
        if handler.command == "GET":
            seen.append(handler.path)
        fault(handler)

    bundles.fault = counted
    expected = 2 if name == "silence" else 5
    cube.eventually(lambda: len(seen) >= expected, "it asks again")
    assert cube.client().load(TOTAL).data == ALL
    lines = told(cube, "goes on serving")[before:]
    assert len(lines) == 1, lines
    assert text in lines[0]
    bundles.fault = None
    serves(cube, bundles, bundles.offer({"orders.yml": with_measure("largest")}))


def test_a_server_that_knows_no_etags_has_the_same_bundle_tried_once(served: Served) -> None:
    cube, bundles = served
    document = {"bundle_digest": "sha256:broken", "files": [{"path": "orders.yml", "content": BROKEN}]}
    document |= {"version": "1.0", "product": PRODUCT, "environment": ENVIRONMENT}
    document |= {"verification": {"roles": [], "claims": {}}}
    asked: list[str] = []

    def always(handler: Request) -> None:
        if handler.command == "GET":
            asked.append(handler.path)
            reply(handler, 200, {}, document)
        else:
            reply(handler, *bundles.answer(handler))

    bundles.fault = always
    refused(cube, bundles, "sha256:broken")
    more = len(asked) + 5
    cube.eventually(lambda: len(asked) > more, "it asks on")
    assert len([verdict for verdict in bundles.verdicts if verdict["bundle_digest"] == "sha256:broken"]) == 1


NO_MODELS = {
    "JavaScript": {"orders.js": "require('fs').writeFileSync('ran', ''); cube('orders', {sql: 'select 1'})"},
    "a template": {"orders.yml": ORDERS + "# {{ 1 + 1 }}\n"},
    "a template's name": {"orders.yml.jinja": ORDERS},
    "a way out": {"../orders.yml": ORDERS},
    "an absolute path": {"/orders.yml": ORDERS},
}


@pytest.mark.parametrize("name", NO_MODELS)
def test_files_that_could_run_in_cube_are_not_taken(served: Served, name: str) -> None:
    cube, bundles = served
    digest = bundles.offer(NO_MODELS[name])
    verdict = refused(cube, bundles, digest)
    assert next(iter(NO_MODELS[name])) in verdict["error"]
    assert cube.client().load(TOTAL).data == ALL
    assert "Compiling" not in verdict["error"]


RUBBISH: dict[str, dict[str, Any]] = {
    "no files": {"files": []},
    "files without content": {"files": [{"path": "orders.yml"}]},
    "another major": {"version": "2.0"},
    "no verification": {"verification": None},
    "roles that are no texts": {"verification": {"roles": [1], "claims": {}}},
}


@pytest.mark.parametrize("name", RUBBISH)
def test_a_document_that_is_no_bundle_is_not_taken(served: Served, name: str) -> None:
    cube, bundles = served
    digest = f"sha256:{name}"
    good = {"bundle_digest": digest, "files": [{"path": "orders.yml", "content": ORDERS}]}
    bundles.offer_document({**good, "verification": {"roles": [], "claims": {}}, **RUBBISH[name]})
    refused(cube, bundles, digest)
    assert cube.client().load(TOTAL).data == ALL
