"""Who somebody is: good tokens, forged ones, and claims that are nearly right."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from access_oracle import Caller, Truth  # found by the path that conftest.py adds
from access_product import CLAIM
from access_questions import cube_query, judged, questions
from access_server import duckdb_settings, secrets_of, shop_cube, told
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cube_client import CubeAnswer, CubeClient
from cube_home import CubeHome
from cube_server import CubeServer
from jwt.algorithms import RSAAlgorithm
from tokens import SECRET, token, unsigned

IDS = {"dimensions": ["orders.order_id"], "order": {"orders.order_id": "asc"}}
EVERYTHING = {"dimensions": ["orders.order_id", "orders.note", "orders.amount", "orders.label"]}
_BODY, _SIGNATURE = token({CLAIM: "globex"}).rpartition(".")[0], token({CLAIM: "acme"}).rpartition(".")[2]
ISSUER, AUDIENCE, NAMESPACE = "https://issuer.test/", "cube", "https://shop.test/claims"


@pytest.fixture(scope="module")
def cube(cube_home: CubeHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CubeServer]:
    folder = tmp_path_factory.mktemp("cube")
    with shop_cube(cube_home, folder / "cube", "prod", duckdb_settings(folder)) as running:
        yield running


@pytest.fixture(scope="module")
def truth() -> Truth:
    return Truth()


def ids(answer: CubeAnswer) -> list[int]:
    return sorted(int(row["orders.order_id"]) for row in answer.data)


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({}, id="missing"),
        pytest.param({CLAIM: None}, id="null"),
        pytest.param({CLAIM: ""}, id="empty"),
        pytest.param({CLAIM: ["acme"]}, id="a list of one"),
        pytest.param({CLAIM: ["acme", "globex"]}, id="a list"),
        pytest.param({CLAIM: []}, id="an empty list"),
        pytest.param({CLAIM: {"brand": "acme"}}, id="nested"),
        pytest.param({CLAIM: {}}, id="an object"),
        pytest.param({CLAIM: True}, id="true"),
        pytest.param({CLAIM: False}, id="false"),
        pytest.param({CLAIM: 7.5}, id="a fraction"),
        pytest.param({CLAIM: 2**60}, id="a number that JavaScript cannot tell from its neighbours"),
        pytest.param({"Brand": "acme"}, id="in another case"),
        pytest.param({"floe": {CLAIM: "acme"}}, id="below floe"),
        pytest.param({"securityContext": {CLAIM: "acme"}}, id="below securityContext"),
        pytest.param({"u": {CLAIM: "acme"}}, id="below u"),
        pytest.param({"__proto__": {CLAIM: "acme"}}, id="below __proto__"),
    ],
)
def test_without_a_usable_claim_there_is_nothing(cube: CubeServer, claims: dict[str, Any]) -> None:
    client = cube.client({"roles": ["data-owner", "finance", "constructor"], **claims})
    for query in (IDS, {"measures": ["orders.count"]}, {"measures": ["board.count"]}, {"measures": ["stores.count"]}):
        for answer in (client.load(query), client.sql(query), client.dry_run(query), client.meta()):
            assert answer.status == 403, (query, answer)
            assert "rows have owners" in answer.error
    answer = client.graphql("{ cube { orders { order_id count } } }")
    assert answer.status == 403
    assert "rows have owners" in answer.error


@pytest.mark.parametrize(
    ("claim", "rows"),
    [
        ("acme", [1, 2, 3, 6]),
        ("undefined", [8]),
        ("null", [9]),
        ("acme,globex", [11]),
        ("[object Object]", [12]),
        ("7", [13]),
        (7, [13]),
        ("true", [14]),
        ("ACME", []),
        (" acme", []),
        ("%", []),
        ("acme' or 'a' = 'a", []),
        ("{ securityContext.roles }", []),
        ("acme\u0000", []),
    ],
)
def test_the_claim_is_compared_with_the_owner_as_it_is(cube: CubeServer, claim: Any, rows: list[int]) -> None:
    answer = cube.client({CLAIM: claim}).load(IDS)
    assert (ids(answer) if answer.status == 200 else []) == rows


@pytest.mark.parametrize("claim", [0, "0"], ids=repr)
def test_an_owner_may_be_called_0(cube: CubeServer, claim: Any) -> None:
    client = cube.client({CLAIM: claim})
    assert client.load(IDS).data == []
    assert client.load({"measures": ["orders.count"]}).data == [{"orders.count": "0"}]


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param("abc", id="no token"),
        pytest.param(unsigned({CLAIM: "acme"}), id="unsigned"),
        pytest.param(unsigned({CLAIM: "acme"}) + "AAAA", id="unsigned with a signature"),
        pytest.param(token({CLAIM: "acme"}, secret="another"), id="another key"),
        pytest.param(token({CLAIM: "acme"}, secret=""), id="no key"),
        pytest.param(token({CLAIM: "acme", "exp": 1_700_000_000}), id="expired"),
        pytest.param(token({CLAIM: "acme", "nbf": 4_000_000_000}), id="not yet"),
        pytest.param(token({CLAIM: "acme", "exp": "never"}), id="expires never"),
        pytest.param(f"{_BODY}.{_SIGNATURE}", id="the signature of another"),
    ],
)
def test_a_forged_token_is_refused(cube: CubeServer, forged: str | None) -> None:
    client = CubeClient(cube.url, forged)
    for answer in (client.load(IDS), client.meta(), client.sql(IDS), client.graphql("{ cube { orders { count } } }")):
        assert answer.status == 403, answer
        assert "data" not in answer.body


def test_a_token_does_not_stand_in_the_address(cube: CubeServer) -> None:
    good = token({CLAIM: "acme"})
    for name in ("token", "authorization", "access_token", "jwt"):
        query = {"query": json.dumps(IDS), name: good}
        assert CubeClient(cube.url).get("/cubejs-api/v1/load", query).status == 403


def test_rights_in_the_token_are_none(cube: CubeServer) -> None:
    roles = {"finance": True, "data-owner": True, "constructor": True}
    has = roles | {f"hex_{role.encode().hex()}": True for role in roles}
    secrets = secrets_of("prod", Caller("acme", frozenset()))
    for claims in (
        {"floe": {"has": has}},
        {"floe": {"has": has}, "roles": None},
        {"securityContext": {"floe": {"has": has}}},
        {"u": {"floe": {"has": has}}},
        {"has": has, **roles},
        {"groups": list(roles), "role": "finance"},
        {"__proto__": {"roles": list(roles)}},
    ):
        answer = cube.client({CLAIM: "acme", **claims}).load(EVERYTHING)
        assert ids(answer) == [1, 2, 3, 6]
        assert told(answer, secrets) == set()


@pytest.mark.parametrize(
    ("claim", "roles"),
    [
        pytest.param(["finance"], {"finance"}, id="a list"),
        pytest.param("finance", {"finance"}, id="a text"),
        pytest.param("finance,data-owner", set(), id="a text with commas"),
        pytest.param("finance data-owner", set(), id="a text with spaces"),
        pytest.param([["finance"]], set(), id="nested lists"),
        pytest.param([None, 1, {"finance": True}, "data-owner"], {"data-owner"}, id="texts among others"),
        pytest.param({"finance": True}, set(), id="an object"),
        pytest.param({"0": "finance", "length": 1}, set(), id="an object like a list"),
        pytest.param(["FINANCE", " finance"], set(), id="other spellings"),
        pytest.param(["hex_66696e616e6365"], set(), id="the key of a role"),
        pytest.param(["hex_636f6e7374727563746f72"], set(), id="the key of a role that needs one"),
        pytest.param(["constructor"], {"constructor"}, id="constructor"),
        pytest.param(["__proto__", "toString", "hasOwnProperty"], set(), id="what every object has"),
        pytest.param([], set(), id="none"),
    ],
)
def test_roles_are_those_that_the_claim_names(cube: CubeServer, truth: Truth, claim: Any, roles: set[str]) -> None:
    caller = Caller("acme", frozenset(roles))
    client = cube.client({CLAIM: "acme", "roles": claim})
    for kind, question in [item for item in questions(truth, "prod") if item[0] in ("cube plain", "view plain")]:
        verdict = judged(truth, "prod", caller, question, client.load(cube_query(question)))
        assert verdict.fault is None, (kind, verdict.told)


@pytest.mark.parametrize("environment", ["dev", "closed"])
def test_odd_names_of_roles_are_not_taken_for_others(
    cube_home: CubeHome, tmp_path: Path, truth: Truth, environment: str
) -> None:
    """`dev` has the role `__proto__`, `closed` one that looks like the key of the role `a`."""
    with shop_cube(cube_home, tmp_path / "cube", environment, duckdb_settings(tmp_path)) as cube:
        for roles in ([], ["a"], ["__proto__"], ["hex_61"], ["hex_6865785f3631"], ["hex_5f5f70726f746f5f5f"]):
            caller = Caller("acme", frozenset(roles))
            client = cube.client({CLAIM: "acme", "roles": roles})
            for kind, question in [item for item in questions(truth, environment) if item[0] == "cube plain"]:
                verdict = judged(truth, environment, caller, question, client.load(cube_query(question)))
                assert verdict.fault is None, (kind, verdict.told)


@pytest.fixture(scope="module")
def keys() -> dict[str, rsa.RSAPrivateKey]:
    return {name: rsa.generate_private_key(public_exponent=65537, key_size=2048) for name in ("known", "other")}


@pytest.fixture(scope="module")
def jwks_cube(
    cube_home: CubeHome,
    tmp_path_factory: pytest.TempPathFactory,
    keys: dict[str, rsa.RSAPrivateKey],
) -> Iterator[CubeServer]:
    """A Cube that trusts the keys of an identity provider; its claims are namespaced, its roles nested."""
    folder = tmp_path_factory.mktemp("jwks")
    published = {**json.loads(RSAAlgorithm.to_jwk(keys["known"].public_key())), "kid": "known", "use": "sig"}
    document = json.dumps({"keys": [published]}).encode()

    class Provider(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(document)))
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *_: object) -> None:
            """Silence."""

    provider = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=provider.serve_forever, args=(0.02,), daemon=True).start()
    settings: dict[str, str | None] = {
        **duckdb_settings(folder),
        "CUBEJS_API_SECRET": None,
        "CUBEJS_JWK_URL": f"http://127.0.0.1:{provider.server_address[1]}/keys",
        "CUBEJS_JWT_ALGS": "RS256",
        "CUBEJS_JWT_ISSUER": ISSUER,
        "CUBEJS_JWT_AUDIENCE": AUDIENCE,
        "CUBEJS_JWT_CLAIMS_NAMESPACE": NAMESPACE,
        "FLOE_ROLES_CLAIM": "realm_access.roles",
    }
    try:
        with shop_cube(cube_home, folder / "cube", "prod", settings) as running:
            yield running
    finally:
        provider.shutdown()
        provider.server_close()


def issued(key: Any, kid: str | None = "known", algorithm: str = "RS256", **claims: Any) -> str:
    now = int(time.time())
    own = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 600}
    named = {NAMESPACE: {CLAIM: "acme", "realm_access": {"roles": ["finance"]}}}
    return jwt.encode({**own, **named, **claims}, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


def test_the_keys_of_an_identity_provider_let_in(
    jwks_cube: CubeServer, keys: dict[str, rsa.RSAPrivateKey], truth: Truth
) -> None:
    caller = Caller("acme", frozenset({"finance"}))
    client = CubeClient(jwks_cube.url, issued(keys["known"]))
    for kind, question in [item for item in questions(truth, "prod") if item[0] in ("cube plain", "view plain")]:
        verdict = judged(truth, "prod", caller, question, client.load(cube_query(question)))
        assert verdict.fault is None, (kind, verdict.told)


def test_a_namespaced_claim_is_not_looked_for_elsewhere(
    jwks_cube: CubeServer, keys: dict[str, rsa.RSAPrivateKey]
) -> None:
    for inner in ({CLAIM: ["acme"]}, {}, [], "acme", None):
        forged = issued(keys["known"], **{NAMESPACE: inner, CLAIM: "acme"})
        assert CubeClient(jwks_cube.url, forged).load(IDS).status == 403


def test_claims_beside_the_namespace_open_nothing(jwks_cube: CubeServer, keys: dict[str, rsa.RSAPrivateKey]) -> None:
    """An issuer may let others write those."""
    roles = {"roles": ["finance", "data-owner"]}
    beside = {CLAIM: "globex", "realm_access": roles, "realm_access.roles": roles["roles"], **roles}
    client = CubeClient(jwks_cube.url, issued(keys["known"], **{NAMESPACE: {CLAIM: "acme"}}, **beside))
    answer = client.load(EVERYTHING)
    assert ids(answer) == [1, 2, 3, 6]
    assert told(answer, secrets_of("prod", Caller("acme", frozenset()))) == set()


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("other", {}),
        ("known", {"kid": "other"}),
        ("known", {"kid": None}),
        ("known", {"iss": "https://another.test/"}),
        ("known", {"aud": "another"}),
        ("known", {"exp": 1_700_000_000}),
        ("known", {"algorithm": "RS512"}),
    ],
    ids=lambda value: str(value),
)
def test_other_tokens_of_an_identity_provider_are_refused(
    jwks_cube: CubeServer, keys: dict[str, rsa.RSAPrivateKey], key: str, changes: dict[str, Any]
) -> None:
    assert CubeClient(jwks_cube.url, issued(keys[key], **changes)).load(IDS).status == 403


def test_a_public_key_is_no_shared_secret(jwks_cube: CubeServer, keys: dict[str, rsa.RSAPrivateKey]) -> None:
    public = keys["known"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for secret in (public, public.strip(), SECRET):
        claims = {"iss": ISSUER, "aud": AUDIENCE, NAMESPACE: {CLAIM: "acme"}}
        assert CubeClient(jwks_cube.url, token(claims, secret=secret)).load(IDS).status == 403
    assert CubeClient(jwks_cube.url, unsigned({CLAIM: "acme"})).load(IDS).status == 403
