"""floe's cube.js at its start and its end, and when it is killed meanwhile."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from bundle_server import Request, bundle_server, reply, served_cube  # found by the path that conftest.py adds
from cube_facts import refused, serves, told
from cube_home import CONFIGURATION, CubeHome
from cube_server import cube_server
from models import BROKEN, ORDERS, TOTAL, with_measure

ALL = [{"orders.total": "23"}]


def _closed(handler: Request) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def test_it_is_not_ready_before_it_has_a_bundle_and_says_why_once(cube_home: CubeHome, tmp_path: Path) -> None:
    with bundle_server() as bundles:
        environment = bundles.environment
        bundles.fault = lambda handler: handler.connection.close()
        with cube_server(cube_home, tmp_path / "cube", environment=environment) as cube:
            cube.eventually(lambda: told(cube, "nothing can be served yet"), "it says that the service is away")
            for path in ("/readyz", "/cubejs-api/v1/meta"):
                answer = cube.asked(path)
                assert answer is not None
                assert answer.status == 503
            assert cube.client().load(TOTAL).status == 503
            assert (live := cube.asked("/livez")) is not None
            assert live.status == 200
            bundles.fault = None
            cube.eventually(lambda: told(cube, "nothing is offered yet"), "it says that nothing is offered")
            digest = bundles.offer({"orders.yml": BROKEN})
            refused(cube, bundles, digest)
            assert cube.client().load(TOTAL).status == 503
            bundles.offer({"orders.yml": ORDERS})
            cube.wait_until_ready()
            assert cube.client().load(TOTAL).data == ALL
            assert len(told(cube, "nothing can be served yet")) == 1
            assert len(told(cube, "nothing is offered yet")) == 1


def test_killed_at_any_moment_it_serves_again(cube_home: CubeHome, tmp_path: Path) -> None:
    with served_cube(cube_home, tmp_path / "cube", {"orders.yml": ORDERS}) as (cube, bundles):
        for moment in ("it serves", "it is asked", "its verdict is taken"):
            reached = threading.Event()

            def killed(handler: Request, moment: str = moment, reached: threading.Event = reached) -> None:
                at = "its verdict is taken" if handler.path == "/v1/cube/verdicts" else "it is asked"
                if at == moment and not reached.is_set():
                    cube.kill()
                    reached.set()
                reply(handler, *bundles.answer(handler))

            if moment == "it serves":
                cube.kill()
            else:
                bundles.fault = killed
                bundles.offer({"orders.yml": with_measure("largest")})
                assert reached.wait(60)
            cube.stop()
            bundles.fault = None
            digest = bundles.offer({"orders.yml": with_measure(f"after_{len(bundles.polls)}")})
            cube.start()
            serves(cube, bundles, digest)
            assert cube.client().load(TOTAL).data == ALL


REFUSED_SETTINGS: dict[str, tuple[dict[str, str | None], str]] = {
    "no service": ({"FLOE_SEMANTIC_URL": None}, "FLOE_SEMANTIC_URL"),
    "development": ({"CUBEJS_DEV_MODE": "true"}, "CUBEJS_DEV_MODE"),
    "the playground": ({"CUBEJS_PLAYGROUND_AUTH_SECRET": "a secret"}, "CUBEJS_PLAYGROUND_AUTH_SECRET"),
    "another mask": ({"CUBEJS_ACCESS_POLICY_MASK_NUMBER": "0"}, "CUBEJS_ACCESS_POLICY_MASK_NUMBER"),
    "nobody could come in": ({"CUBEJS_API_SECRET": None}, "CUBEJS_API_SECRET"),
    "a token file that is not there": (
        {"FLOE_CUBE_TOKEN": None, "FLOE_CUBE_TOKEN_FILE": "/nowhere/token"},
        "FLOE_CUBE_TOKEN_FILE",
    ),
    "an impossible poll": ({"FLOE_CUBE_POLL_SECONDS": "0"}, "FLOE_CUBE_POLL_SECONDS"),
}


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ({}, "memory"),
        ({"CUBEJS_CUBESTORE_HOST": "store"}, None),
        ({"CUBEJS_CACHE_AND_QUEUE_DRIVER": "cubestore"}, "cubestore"),
    ],
    ids=["without Cube Store", "with it", "said otherwise"],
)
def test_queries_queue_in_memory_where_no_cube_store_is_named(
    cube_home: CubeHome, given: dict[str, str], driver: str | None
) -> None:
    """Else each query would fail, of a Cube that calls itself healthy."""
    environment = {"FLOE_SEMANTIC_URL": "http://127.0.0.1:1", "CUBEJS_API_SECRET": "secret", **given}
    program = """
        const environment = JSON.parse(process.argv[1]);
        require(process.argv[2]).readSettings(environment);
        console.log(JSON.stringify(environment.CUBEJS_CACHE_AND_QUEUE_DRIVER ?? null));
    """
    settings = CONFIGURATION / "floe" / "settings.js"
    command = [str(cube_home.node), "-e", program, json.dumps(environment), str(settings)]
    assert json.loads(subprocess.run(command, capture_output=True, check=True).stdout) == driver


@pytest.mark.parametrize("name", REFUSED_SETTINGS)
def test_it_does_not_start_where_it_would_be_open_or_useless(cube_home: CubeHome, tmp_path: Path, name: str) -> None:
    settings, text = REFUSED_SETTINGS[name]
    with bundle_server() as bundles:
        environment = {**bundles.environment, **settings}
        with (
            pytest.raises(AssertionError, match=text),
            cube_server(cube_home, tmp_path / "cube", environment=environment),
        ):
            pass


def test_callers_without_a_token_are_refused_even_if_nobody_says_production(
    cube_home: CubeHome, tmp_path: Path
) -> None:
    environment = {"NODE_ENV": None}
    with served_cube(cube_home, tmp_path / "cube", {"orders.yml": ORDERS}, environment=environment) as (cube, _):
        answer = cube.asked(f"/cubejs-api/v1/load?query={json.dumps(TOTAL).replace(' ', '')}")
        assert answer is not None
        assert answer.status == 403


def test_it_ends_when_it_is_told_to(cube_home: CubeHome, tmp_path: Path) -> None:
    with served_cube(cube_home, tmp_path / "cube", {"orders.yml": ORDERS}) as (cube, bundles):
        cube.client().load(TOTAL)
        cube.stop(signal.SIGTERM)
        assert "shutting down" in cube.log()
        assert [event["kind"] for batch in bundles.batches for event in batch["events"]] == ["succeeded"]
