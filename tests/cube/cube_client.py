"""Cube's HTTP API, as a caller with a token sees it."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any, Final

ANSWERS_WITHIN: Final = 120.0
_CONTINUE: Final = "Continue wait"
_LOOK_AGAIN: Final = 0.05
_WITHOUT_PROXY: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class CubeAnswer:
    """What Cube answered."""

    status: int
    body: Any

    @property
    def data(self) -> list[dict[str, Any]]:
        """The rows of a query.

        Raises:
            AssertionError: there are none, because it was refused.
        """
        assert self.status == 200, (self.status, self.body)
        rows: list[dict[str, Any]] = self.body["data"]
        return rows

    @property
    def error(self) -> str:
        """What Cube says against it; empty if nothing."""
        return str(self.body.get("error") or "") if isinstance(self.body, dict) else str(self.body)


@dataclass(frozen=True)
class CubeClient:
    """Asks one Cube with one token; without a token it brings none."""

    url: str
    token: str | None = None

    def load(self, query: dict[str, Any] | list[dict[str, Any]], **options: Any) -> CubeAnswer:
        """The rows of a query, waited for while Cube says that it is at it."""
        return self.post("/cubejs-api/v1/load", {"query": query, **options})

    def sql(self, query: dict[str, Any]) -> CubeAnswer:
        """The SQL that Cube would run."""
        return self.get("/cubejs-api/v1/sql", {"query": json.dumps(query)})

    def dry_run(self, query: dict[str, Any]) -> CubeAnswer:
        """What Cube makes of a query without running it."""
        return self.post("/cubejs-api/v1/dry-run", {"query": query})

    def meta(self, **parameters: str) -> CubeAnswer:
        """The cubes and views that this caller may see."""
        return self.get("/cubejs-api/v1/meta", parameters)

    def members(self) -> dict[str, list[str]]:
        """The names of members by cube or view."""
        answer = self.meta()
        assert answer.status == 200, (answer.status, answer.body)
        kinds = ("measures", "dimensions", "segments")
        return {
            cube["name"]: sorted(member["name"].partition(".")[2] for kind in kinds for member in cube.get(kind, ()))
            for cube in answer.body["cubes"]
        }

    def graphql(self, query: str, variables: dict[str, Any] | None = None) -> CubeAnswer:
        """The answer of the GraphQL API; its rows are in `body["data"]["cube"]`."""
        return self.post("/cubejs-api/graphql", {"query": query, "variables": variables or {}})

    def get(self, path: str, parameters: dict[str, str] | None = None) -> CubeAnswer:
        """Any path of Cube's, and what it answers in the end."""
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        return self._patiently(urllib.request.Request(self.url + path + query))  # noqa: S310 - a test's own server

    def post(self, path: str, document: dict[str, Any]) -> CubeAnswer:
        """Send a document, and what Cube answers in the end."""
        request = urllib.request.Request(self.url + path, json.dumps(document).encode())  # noqa: S310 - as above
        request.add_header("Content-Type", "application/json")
        return self._patiently(request)

    def delete(self, path: str) -> CubeAnswer:
        """The same, with DELETE."""
        return self._patiently(urllib.request.Request(self.url + path, method="DELETE"))  # noqa: S310 - as above

    def _patiently(self, request: urllib.request.Request) -> CubeAnswer:
        if self.token is not None:
            request.add_header("Authorization", self.token)
        deadline = monotonic() + ANSWERS_WITHIN
        while True:
            answer = _asked(request)
            waits = _CONTINUE in json.dumps(answer.body) and "data" not in (answer.body or {})
            if not waits:
                return answer
            assert monotonic() < deadline, f"Cube is still at it after {ANSWERS_WITHIN:.0f} s: {request.full_url}"
            sleep(_LOOK_AGAIN)


def _asked(request: urllib.request.Request) -> CubeAnswer:
    try:
        with _WITHOUT_PROXY.open(request, timeout=ANSWERS_WITHIN) as answer:
            return CubeAnswer(answer.status, _decoded(answer.read()))
    except urllib.error.HTTPError as refusal:
        with refusal:
            return CubeAnswer(refusal.code, _decoded(refusal.read()))


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
