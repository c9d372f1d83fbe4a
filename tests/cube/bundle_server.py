"""Plays the semantic service for a Cube: offers bundles, takes verdicts and what is told of queries."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from cube_home import CubeHome  # found by the path that conftest.py adds
from cube_server import CubeServer, cube_server
from running_cube import SEMANTIC_PORT, URL, RunningCube, given_to_running_cube

TOKEN: Final = "the token of every Cube in these tests"
ENVIRONMENT: Final = "dev"
PRODUCT: Final = "orders"


class Request(BaseHTTPRequestHandler):
    """A request of a Cube, which is read to its end whatever it is answered: its connection has more to come."""

    protocol_version = "HTTP/1.1"
    body = b""


Fault = Callable[[Request], None]
"""Answers in the server's place, or not at all."""


class BundleServer:
    """What the semantic service's door for Cube is to a Cube; a test says what it offers and how it fails."""

    def __init__(self, port: int = 0, salt: str = "") -> None:
        self.polls: list[dict[str, str | None]] = []
        self.verdicts: list[dict[str, Any]] = []
        self.batches: list[dict[str, Any]] = []
        self.outcome: Callable[[dict[str, Any]], str] = lambda verdict: str(verdict["outcome"])
        """What a verdict is answered with."""
        self.fault: Fault | None = None
        self.withdrawn = False
        self._offer: dict[str, Any] | None = None
        self._offers = 0
        self._salt = salt
        self.connections: set[socket.socket] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        """Where a Cube finds it."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def environment(self) -> dict[str, str]:
        """What a Cube is told to find it."""
        return {
            "FLOE_SEMANTIC_URL": self.url,
            "FLOE_CUBE_TOKEN": TOKEN,
            "FLOE_ENVIRONMENT": ENVIRONMENT,
            "FLOE_PRODUCT": PRODUCT,
            "FLOE_CUBE_POLL_SECONDS": "0.05",
            "FLOE_CUBE_ANSWER_SECONDS": "2",
            "FLOE_CUBE_INSTANCE": "cube-of-tests",
        }

    def offer(
        self, files: Mapping[str, str], *, roles: Sequence[str] = (), claims: Mapping[str, Any] | None = None
    ) -> str:
        """Offer these texts from now on; the same ones once more are another offer with the same digest.

        Returns:
            The digest of the bundle.
        """
        listed = [{"path": path, "content": text} for path, text in sorted(files.items())]
        verification = {"roles": list(roles), "claims": dict(claims or {})}
        digest = "sha256:" + hashlib.sha256(json.dumps([listed, verification, self._salt]).encode()).hexdigest()
        self.offer_document({"bundle_digest": digest, "files": listed, "verification": verification})
        return digest

    def is_served(self, digest: str) -> bool:
        """Whether the Cube that asked last knows what is offered, and serves this bundle."""
        last = self.polls[-1] if self.polls else {"known": None, "serving": None}
        return last["serving"] == digest and last["known"] == f'"{digest}.{self._offers}"'

    def offer_document(self, document: Mapping[str, Any] | None) -> None:
        """Offer a document as it is, beside what every bundle says of itself; None offers nothing."""
        place = {"version": "1.0", "product": PRODUCT, "environment": ENVIRONMENT}
        self._offers += 1
        self._offer = None if document is None else {**place, **document}

    def close(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def answer(self, handler: Request) -> tuple[int, dict[str, str], Any]:
        """Status, headers and document for a request that has the right token."""
        if handler.command == "GET":
            return self._bundle(handler)
        body = json.loads(handler.body)
        if handler.path == "/v1/cube/queries":
            self.batches.append(body)
            return 200, {}, {}
        outcome = self.outcome(body)
        self.verdicts.append(body)
        return 200, {}, {"version": "1.0", "outcome": outcome}

    def _bundle(self, handler: Request) -> tuple[int, dict[str, str], Any]:
        known = handler.headers.get("If-None-Match")
        named = {"instance": "X-Floe-Cube-Instance", "serving": "X-Floe-Cube-Serving"}
        self.polls.append({name: handler.headers.get(header) for name, header in named.items()} | {"known": known})
        if self.withdrawn:
            return 410, {}, {"detail": "the product was withdrawn"}
        if self._offer is None:
            return 404, {}, {"detail": "nothing is offered yet"}
        etag = f'"{self._offer.get("bundle_digest")}.{self._offers}"'
        return (304, {"ETag": etag}, None) if known == etag else (200, {"ETag": etag}, self._offer)


def _handler(server: BundleServer) -> type[Request]:
    class Handler(Request):
        def setup(self) -> None:
            super().setup()
            server.connections.add(self.connection)

        def finish(self) -> None:
            server.connections.discard(self.connection)
            with suppress(OSError):
                super().finish()

        def do_GET(self) -> None:
            self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if server.fault is not None:
                server.fault(self)
            elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
                reply(self, 401, {}, {"detail": "another token is needed"})
            else:
                reply(self, *server.answer(self))

        do_POST = do_GET  # noqa: N815 - as http.server names them

        def log_message(self, *_: object) -> None:
            """Silence."""

    return Handler


def reply(handler: Request, status: int, headers: Mapping[str, str], document: Any) -> None:
    """Answer with a document, or with a text as it is."""
    body = (
        b"" if document is None else document.encode() if isinstance(document, str) else json.dumps(document).encode()
    )
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def bundle_server(port: int = 0, salt: str = "") -> Iterator[BundleServer]:
    """One that runs, and offers nothing yet; by default at any free port.

    Args:
        port: where it listens.
        salt: goes into every digest, so that a Cube that outlives tests takes the same files for another bundle.
    """
    server = BundleServer(port, salt)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def served_cube(
    home: CubeHome,
    folder: Path,
    files: Mapping[str, str],
    *,
    roles: Sequence[str] = (),
    claims: Mapping[str, Any] | None = None,
    environment: Mapping[str, str | None] | None = None,
) -> Iterator[tuple[CubeServer, BundleServer]]:
    """A Cube with floe's cube.js that serves these model files, and the server that offered them.

    With `CUBE_URL` it is the one that runs there.
    """
    started = _running(folder, environment or {}) if URL else _own(home, folder, environment or {})
    with started as (cube, bundles):
        digest = bundles.offer(files, roles=roles, claims=claims)
        cube.eventually(lambda: bundles.is_served(digest), f"it serves {digest}")
        yield cube, bundles


@contextmanager
def _own(
    home: CubeHome, folder: Path, environment: Mapping[str, str | None]
) -> Iterator[tuple[CubeServer, BundleServer]]:
    with ExitStack() as started:
        bundles = started.enter_context(bundle_server())
        settings = {**bundles.environment, **environment}
        yield started.enter_context(cube_server(home, folder, environment=settings)), bundles


@contextmanager
def _running(folder: Path, environment: Mapping[str, str | None]) -> Iterator[tuple[CubeServer, BundleServer]]:
    given_to_running_cube(environment)
    with bundle_server(SEMANTIC_PORT, salt=uuid4().hex) as bundles:
        yield RunningCube(folder), bundles
