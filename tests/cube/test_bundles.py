"""floe's cube.js takes new bundles without a restart, and none that is not good."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bundle_server import BundleServer, Request, reply  # found by the path that conftest.py adds
from cube_facts import refused, serves, told
from cube_server import CubeServer
from models import BROKEN, ORDERS, TOTAL, with_measure

Served = tuple[CubeServer, BundleServer]
ALL = [{"orders.total": "23"}]


def test_a_new_bundle_is_served_without_a_restart(served: Served) -> None:
    cube, bundles = served
    pid = cube.pid
    before = len(bundles.verdicts)
    digest = bundles.offer({"orders.yml": with_measure("largest"), "people.yml": ORDERS.replace("orders", "people")})
    serves(cube, bundles, digest)
    assert sorted(cube.client().members()) == ["orders", "people"]
    assert cube.client().load({"measures": ["orders.largest"]}).data == [{"orders.largest": "11"}]
    assert [verdict["bundle_digest"] for verdict in bundles.verdicts[before:]] == [digest]
    serves(cube, bundles, bundles.offer({"orders.yml": ORDERS}))
    assert sorted(cube.client().members()) == ["orders"]
    assert cube.client().load({"measures": ["people.total"]}).status != 200
    assert cube.pid == pid


def test_queries_in_flight_get_their_answers_while_bundles_change(served: Served) -> None:
    cube, bundles = served
    over = threading.Event()

    def asks(status: str) -> list[Any]:
        answers = []
        while not over.is_set():
            filters = [{"member": "orders.status", "operator": "equals", "values": [status, str(len(answers))]}]
            answers.append(cube.client().load({**TOTAL, "filters": filters}).body)
        return answers

    with ThreadPoolExecutor() as pool:
        asking = [pool.submit(asks, status) for status in ("paid", "open")]
        for name in ("one", "two", "three", "four", "five", "six"):
            serves(cube, bundles, bundles.offer({"orders.yml": with_measure(name)}))
        over.set()
        paid, opened = (future.result() for future in asking)
    assert {str(answer.get("data", answer)) for answer in paid} == {"[{'orders.total': '16'}]"}
    assert {str(answer.get("data", answer)) for answer in opened} == {"[{'orders.total': '7'}]"}


def test_what_served_before_serves_again_at_once(served: Served) -> None:
    cube, bundles = served
    first = bundles.offer({"orders.yml": ORDERS})
    serves(cube, bundles, bundles.offer({"orders.yml": with_measure("largest")}))
    assert bundles.offer({"orders.yml": ORDERS}) == first
    serves(cube, bundles, first)
    assert cube.client().load(TOTAL).data == ALL


def test_a_bundle_that_cube_refuses_never_serves_and_the_last_good_one_does(served: Served) -> None:
    cube, bundles = served
    digest = bundles.offer({"orders.yml": BROKEN})
    verdict = refused(cube, bundles, digest)
    assert "no_such_type" in verdict["error"] or "type" in verdict["error"]
    assert verdict["cubes"] == {}
    assert cube.client().load(TOTAL).data == ALL
    assert bundles.polls[-1]["serving"] != digest
    again = bundles.offer({"orders.yml": BROKEN})
    assert again == digest
    assert refused(cube, bundles, digest, times=2)["error"] == verdict["error"]
    serves(cube, bundles, bundles.offer({"orders.yml": with_measure("largest")}))


def test_what_only_the_first_compile_finds_is_found_by_every_attempt(served: Served) -> None:
    """Compiled a second time, Cube has it cached without its broken condition."""
    cube, bundles = served
    condition = '        conditions:\n          - if: "{ securityContext.a is not None }"\n'
    policy = '    access_policy:\n      - group: "*"\n' + condition
    digest = bundles.offer({"orders.yml": ORDERS + policy})
    refused(cube, bundles, digest)
    bundles.offer({"orders.yml": ORDERS + policy})
    refused(cube, bundles, digest, times=2)
    assert cube.client().load(TOTAL).data == ALL


def test_the_semantic_service_has_the_last_word(served: Served) -> None:
    cube, bundles = served
    bundles.outcome = lambda _: "refused"
    known = len(bundles.verdicts)
    digest = bundles.offer({"orders.yml": with_measure("smallest")})
    cube.eventually(lambda: len(bundles.verdicts) > known, "the verdict is told")
    cube.eventually(lambda: told(cube, f"bundle {digest} is not taken"), "the refusal is told")
    assert "smallest" not in cube.client().members()["orders"]
    assert cube.client().load(TOTAL).data == ALL


def test_a_verdict_that_finds_nobody_is_told_again_and_nothing_changes_before(served: Served) -> None:
    cube, bundles = served
    tries: list[str] = []

    def fails(handler: Request) -> None:
        if handler.path == "/v1/cube/verdicts":
            tries.append(handler.path)
            reply(handler, 500, {}, "no JSON either")
        else:
            reply(handler, *bundles.answer(handler))

    bundles.fault = fails
    digest = bundles.offer({"orders.yml": with_measure("average")})
    cube.eventually(lambda: len(tries) > 2, "the verdict is told again and again")
    assert "average" not in cube.client().members()["orders"]
    bundles.fault = None
    serves(cube, bundles, digest)
    assert "average" in cube.client().members()["orders"]


def test_a_product_that_is_withdrawn_is_served_no_longer(served: Served) -> None:
    cube, bundles = served
    bundles.withdrawn = True
    cube.eventually(lambda: (ready := cube.asked("/readyz")) is not None and ready.status == 503, "it is not ready")
    answer = cube.client().load(TOTAL)
    assert answer.status == 503
    assert "no bundle" in answer.error
    assert told(cube, "the product was withdrawn")
    bundles.withdrawn = False
    cube.wait_until_ready()
    assert cube.client().load(TOTAL).data == ALL


def test_while_nothing_is_offered_what_serves_goes_on(served: Served) -> None:
    cube, bundles = served
    bundles.offer_document(None)
    polls = len(bundles.polls)
    cube.eventually(lambda: len(bundles.polls) > polls + 3, "it asks on")
    assert cube.client().load(TOTAL).data == ALL
