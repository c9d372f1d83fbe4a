"""Servers that answer as Cube 1.7.43 and the gateway do, and note what they were asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

OWNER: Final = "token of the owner"
CLERK: Final = "token of the clerk"


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    token: str | None
    parameters: Mapping[str, str]
    body: Any


Answer = Callable[[Asked], tuple[int, Any]]


class _Silent(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that has gone is none."""


class PlayedServer:
    """Answers with what `answer` says; text goes out as it is, everything else as JSON."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self._server = _Silent(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class PlayedCube(PlayedServer):
    """Knows callers by their tokens.

    Attributes:
        cubes: by token, what `/v1/meta` shows.
        loaded: what `/v1/load` answers, one after the other; the last one stays.
        run: what the policies make of any query, as `/v1/load` and `/v1/dry-run` tell it.
    """

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.cubes: dict[str, list[dict[str, Any]]] = {
            OWNER: [ORDERS, BOARD],
            CLERK: [ORDERS, without(BOARD, "revenue")],
        }
        self.loaded: list[tuple[int, Any]] = [(200, rows([{"board.revenue": "10.5"}]))]
        self.run: dict[str, Any] = {}

    def posted(self, path: str) -> list[Any]:
        """The queries that were sent to a path."""
        return [item.body["query"] for item in self.asked if item.path == f"/cubejs-api/v1/{path}"]

    def _answer(self, asked: Asked) -> tuple[int, Any]:
        if asked.token not in self.cubes:
            return 403, {"error": "Invalid token" if asked.token else "Authorization header isn't set"}
        match asked.path.removeprefix("/cubejs-api/v1/"):
            case "meta":
                return 200, {"cubes": self.cubes[asked.token]}
            case "load":
                status, body = self.loaded.pop(0) if len(self.loaded) > 1 else self.loaded[0]
                if status == 200 and "error" not in body:
                    body = {**body, "query": {**asked.body["query"], **self.run}}
                return status, body
            case "dry-run":
                return 200, {"queryType": "regularQuery", "normalizedQueries": [{**asked.body["query"], **self.run}]}
            case "sql":
                return 200, {"sql": {"sql": ["SELECT sum(amount) FROM orders WHERE brand = ?", ["acme"]]}}
        return 404, {"error": "not found"}


def rows(data: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What `/v1/load` answers with these rows."""
    note = {"title": "Board Revenue", "shortTitle": "Revenue", "type": "number"}
    return {
        "data": list(data),
        "annotation": {"measures": {"board.revenue": note}, "dimensions": {}, "segments": {}, "timeDimensions": {}},
        "lastRefreshTime": "2026-11-21T19:07:22.598Z",
    }


def member(cube: str, name: str, kind: str, columns: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    """A member as `/v1/meta` tells it."""
    told = {"columns": list(columns)} | more.pop("floe", {})
    return {"name": f"{cube}.{name}", "type": kind, "shortTitle": name.title(), "meta": {"floe": told}, **more}


def without(cube: dict[str, Any], name: str) -> dict[str, Any]:
    """A cube as somebody sees it who may not see a measure."""
    return {**cube, "measures": [item for item in cube["measures"] if not item["name"].endswith(f".{name}")]}


ORDERS: Final[dict[str, Any]] = {
    "name": "orders",
    "type": "cube",
    "title": "Orders",
    "meta": {"floe": {"dbt_unique_id": "model.shop.orders", "owner": "finance@example.com", "joins_to": ["customers"]}},
    "measures": [member("orders", "count", "number", ["order_id"], aggType="count")],
    "dimensions": [
        member("orders", "order_id", "number", ["order_id"]),
        member("orders", "email", "string", ["email"], floe={"classification": ["pii"]}, description="Who ordered."),
    ],
    "segments": [{"name": "orders.large", "title": "Orders Large", "shortTitle": "Large"}],
}
BOARD: Final[dict[str, Any]] = {
    "name": "board",
    "type": "view",
    "title": "Board",
    "description": "Read every morning.",
    "meta": {"floe": {"dbt_unique_id": "exposure.shop.board", "owner": "Finance"}},
    "measures": [
        member(
            "board",
            "revenue",
            "number",
            ["amount", "tax"],
            aggType="sum",
            aliasMember="orders.revenue",
            floe={"dbt_unique_id": "metric.shop.revenue"},
        ),
        member("board", "count", "number", ["order_id"], aggType="count", aliasMember="orders.count"),
    ],
    "dimensions": [
        member("board", "status", "string", ["status"], aliasMember="orders.status"),
        member(
            "board",
            "order_date",
            "time",
            ["order_date"],
            aliasMember="orders.order_date",
            granularities=[{"name": "fiscal_year", "title": "Fiscal year"}],
        ),
    ],
    "segments": [],
}


def _handler(server: PlayedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            size = int(self.headers.get("Content-Length") or 0)
            sent = self.headers.get("Authorization")
            asked = Asked(
                method=self.command,
                path=address.path,
                token=sent.removeprefix("Bearer ") if sent else None,
                parameters=dict(parse_qsl(address.query)),
                body=json.loads(self.rfile.read(size)) if size else None,
            )
            server.asked.append(asked)
            status, document = server.answer(asked)
            body = document.encode() if isinstance(document, str) else json.dumps(document).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", str(document))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - as http.server names them

        def log_message(self, *_: object) -> None:
            """Silence."""

    return Handler
