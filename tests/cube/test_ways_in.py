"""Ways into Cube beside REST are behind the same locks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bundle_server import BundleServer, bundle_server, served_cube
from cube_home import CubeHome
from cube_server import CubeServer, cube_server
from models import OWNED, TOTAL
from tokens import token
from websockets.sync.client import connect

CLAIMS = {"tenant_id": "verification"}
SETTINGS = {"CUBEJS_WEB_SOCKETS": "true"}


@pytest.fixture(scope="module")
def owned(cube_home: CubeHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CubeServer, BundleServer]]:
    folder = tmp_path_factory.mktemp("cube") / "cube"
    with served_cube(cube_home, folder, {"orders.yml": OWNED}, claims=CLAIMS, environment=SETTINGS) as running:
        yield running


@pytest.fixture
def cube(owned: tuple[CubeServer, BundleServer]) -> CubeServer:
    return owned[0]


def over_a_web_socket(cube: CubeServer, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """The first answer to each message."""
    with connect(cube.url.replace("http", "ws"), proxy=None) as socket:
        answers = []
        for message in messages:
            socket.send(json.dumps(message))
            answers.append(json.loads(socket.recv(timeout=60)))
            while answers[-1].get("message", {}).get("error") == "Continue wait" or "messageProcessedId" in answers[-1]:
                answers[-1] = json.loads(socket.recv(timeout=60))
        return answers


def asked_for(query: dict[str, Any]) -> dict[str, Any]:
    return {"messageId": "1", "method": "load", "params": {"query": query}}


def test_a_web_socket_shows_what_the_token_grants(cube: CubeServer) -> None:
    login = {"authorization": token({"tenant_id": "acme"})}
    assert over_a_web_socket(cube, login, asked_for(TOTAL))[1]["message"]["data"] == [{"orders.total": "12"}]


def test_a_web_socket_is_closed_to_others(cube: CubeServer) -> None:
    assert over_a_web_socket(cube, asked_for(TOTAL))[0]["status"] == 403
    assert over_a_web_socket(cube, {"authorization": token({}, secret="another")})[0]["message"]["error"]
    answer = over_a_web_socket(cube, {"authorization": token({})}, asked_for(TOTAL))[1]
    assert "rows have owners" in answer["message"]["error"]


def test_a_web_socket_ends_with_its_token(cube: CubeServer) -> None:
    ends_at = int(time.time()) + 3
    with connect(cube.url.replace("http", "ws"), proxy=None) as socket:

        def asked(message: dict[str, Any]) -> dict[str, Any]:
            socket.send(json.dumps(message))
            while True:
                answer: dict[str, Any] = json.loads(socket.recv(timeout=60))
                if "messageProcessedId" not in answer and answer.get("message", {}).get("error") != "Continue wait":
                    return answer

        login = {"authorization": token({"tenant_id": "acme", "exp": ends_at})}
        assert asked(login) == {"handshake": True}
        answers = []
        while not answers or answers[-1]["status"] == 200:
            asked_at = int(time.time())
            answers.append(asked(asked_for(TOTAL)))
            assert asked_at < ends_at or answers[-1]["status"] != 200
    assert (answers[-1]["status"], answers[-1]["message"]["error"]) == (403, "the token has ended")
    assert int(time.time()) >= ends_at


def test_expressions_of_the_sql_api_do_not_come_over_a_web_socket(cube: CubeServer) -> None:
    expression = {"expression": ["orders", "return `1`"], "name": "x", "expressionName": "x", "cubeName": "orders"}
    answer = over_a_web_socket(
        cube, {"authorization": token({"tenant_id": "acme"})}, asked_for({"measures": [expression]})
    )[1]
    assert answer["message"]["error"]


def test_a_web_socket_is_closed_while_there_is_no_bundle(cube_home: CubeHome, tmp_path: Path) -> None:
    with bundle_server() as bundles:
        environment = {**bundles.environment, **SETTINGS}
        with cube_server(cube_home, tmp_path / "cube", environment=environment) as cube:
            login = {"authorization": token({"tenant_id": "acme"})}
            answer = over_a_web_socket(cube, login, asked_for(TOTAL))[1]
            assert "no bundle" in answer["message"]["error"]


SQL_CALLERS = """
const configuration = require('./cube.js');
const { CubejsServer } = require('@cubejs-backend/server');
process.env.PORT = '0';
new CubejsServer(configuration).listen().then(async () => {
  const answers = {};
  for (const [name, password] of Object.entries(JSON.parse(process.env.PASSWORDS))) {
    answers[name] = await configuration.checkSqlAuth({}, 'anybody', password).catch((error) => error.message);
  }
  answers.switching = configuration.canSwitchSqlUser('anybody', 'somebody');
  process.stdout.write(JSON.stringify(answers), () => process.exit(0));
});
"""


def test_callers_of_the_sql_api_bring_their_token_as_the_password(cube_home: CubeHome, tmp_path: Path) -> None:
    """As its server asks cube.js; the server itself is in the native module, which is not here."""
    good = token({"tenant_id": "acme"})
    passwords = {"good": good, "forged": token({"tenant_id": "acme"}, secret="another"), "none": None, "empty": ""}
    with bundle_server() as bundles:
        environment = {**bundles.environment, "PASSWORDS": json.dumps(passwords)}
        with cube_server(cube_home, tmp_path / "cube", environment=environment) as cube:
            answers = json.loads(cube.printed(SQL_CALLERS).splitlines()[-1])
    assert answers["good"]["password"] == good
    assert answers["good"]["securityContext"]["tenant_id"] == "acme"
    assert answers["good"]["superuser"] is False
    assert answers["good"]["skipPasswordCheck"] is False
    assert answers["forged"] == "Invalid token"
    assert answers["none"] == answers["empty"] == "the password must be a token"
    assert answers["switching"] is False


def test_nobody_cancels_the_queries_of_others(cube: CubeServer) -> None:
    """Cube cancels by the id of a request, whoever's it is."""
    for path in ("/cubejs-api/v1/running-query/one", "/CUBEJS-API//v1/Running-Query/one/"):
        assert cube.client({"tenant_id": "acme"}).delete(path).status == 404


@pytest.mark.parametrize("path", ["graphql-to-json", "pre-aggregations/can-use"])
def test_what_would_answer_one_caller_with_the_rights_of_another_is_not_served(cube: CubeServer, path: str) -> None:
    client = cube.client({"tenant_id": "acme"})
    assert client.post(f"/cubejs-api/v1/{path}", {"query": "{ cube { orders { total } } }"}).status == 404
    assert client.post(f"/cubejs-api/v1//{path}", {"query": "{ cube { orders { total } } }"}).status == 404
    assert client.post(f"/CUBEJS-API/v1/{path.upper()}/", {"query": "{ cube { orders { total } } }"}).status == 404


def test_queries_are_told_with_the_bundle_that_answered_them(owned: tuple[CubeServer, BundleServer]) -> None:
    cube, bundles = owned
    served = bundles.verdicts[-1]["bundle_digest"]
    cube.client({"tenant_id": "acme"}).load(TOTAL)
    batch = cube.eventually(lambda: _told(bundles, served), "the query is told")[0]
    assert (batch["environment"], batch["product"], batch["instance"]) == ("dev", "orders", "cube-of-tests")


def _told(bundles: BundleServer, digest: str) -> list[dict[str, Any]]:
    return [batch for batch in bundles.batches if any(event["bundle_digest"] == digest for event in batch["events"])]
