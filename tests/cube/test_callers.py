"""What cube.js makes of the claims of a token."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from cube_home import CONFIGURATION, CubeHome  # found by the path that conftest.py adds

CALLERS = """
const { trustedClaims, userIn, withOwnersAsText } = require(process.argv[1]);
const [token, namespace, names, userClaim] = JSON.parse(process.argv[2]);
const claims = withOwnersAsText(trustedClaims(token, namespace), names);
process.stdout.write(JSON.stringify([claims, userIn(userClaim, claims, token)]));
"""


@pytest.mark.parametrize(
    ("token", "namespace", "names", "claims", "user"),
    [
        pytest.param({"brand": 0, "sub": 7}, None, {"brand": "x"}, {"brand": "0", "sub": 7}, 7, id="a number"),
        pytest.param({"o": {"u": 7, "v": 7}}, None, {"o": {"u": "x"}}, {"o": {"u": "7", "v": 7}}, None, id="nested"),
        pytest.param({"o": 7}, None, {"o": {"u": "x"}}, {"o": 7}, None, id="no nested one"),
        pytest.param({"brand": 7.5}, None, {"brand": "x"}, {"brand": 7.5}, None, id="a fraction"),
        pytest.param({"brand": [0]}, None, {"brand": "x"}, {"brand": [0]}, None, id="a list"),
        pytest.param({}, None, {"constructor": "x"}, {}, None, id="none"),
        pytest.param({"brand": "a", "ns": {"sub": "b"}}, "ns", {"brand": "x"}, {"sub": "b"}, "b", id="a namespace"),
        pytest.param({"sub": "a", "ns": {}}, "ns", {}, {}, "a", id="a user beside the namespace"),
        pytest.param({"sub": "a", "ns": {"sub": ["b"]}}, "ns", {}, {"sub": ["b"]}, "a", id="no user in the namespace"),
        pytest.param({"brand": "a"}, "ns", {"brand": "x"}, {}, None, id="no namespace"),
        pytest.param({"brand": "a", "ns": ["b"]}, "ns", {"brand": "x"}, {}, None, id="a namespace that is a list"),
    ],
)
def test_claims_of_callers(
    cube_home: CubeHome,
    token: dict[str, Any],
    namespace: str | None,
    names: dict[str, Any],
    claims: dict[str, Any],
    user: Any,
) -> None:
    asked = json.dumps([token, namespace, names, "sub"])
    command = [str(cube_home.node), "-e", CALLERS, str(CONFIGURATION / "floe" / "caller.js"), asked]
    answer = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert answer == [claims, user]
