"""A Kubernetes API on this machine that gives the answers of `kubernetes_answers/`, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

_ANSWERS = Path(__file__).parent / "kubernetes_answers"


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    body: Any


@dataclass
class KubernetesApi:
    """What the server will answer, and what it was asked.

    Attributes:
        names: stand-in in the files -> what stands there in this test.
        url: of the server.
        asked: the requests so far.
    """

    names: dict[str, str]
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    _answers: dict[tuple[str, str], tuple[int, bytes]] = field(default_factory=dict)

    def answer(self, *files: str) -> None:
        """From now on, answer as these files say; a later one replaces an earlier one of the same request."""
        for file in files:
            text = (_ANSWERS / f"{file}.json").read_text()
            for stand_in, name in self.names.items():
                text = text.replace(stand_in, name)
            told = json.loads(text)
            body = told["body"] if isinstance(told["body"], str) else json.dumps(told["body"])
            self._answers[told["method"], told["path"]] = told["status"], body.encode()

    def find(self, asked: Asked) -> tuple[int, bytes]:
        self.asked.append(asked)
        return self._answers.get((asked.method, asked.path), (418, b"nobody has said what to answer"))

    def kubeconfig(self, folder: Path) -> Path:
        """A file that leads to this server."""
        file = folder / "kubeconfig"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "here", "cluster": {"server": self.url}}],
            "users": [{"name": "executor", "user": {"token": "canary-token"}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "executor"}}],
            "current-context": "here",
        }
        file.write_text(json.dumps(config))
        return file


@contextmanager
def serving(names: dict[str, str]) -> Iterator[KubernetesApi]:
    """The server, for as long as the block runs."""
    api = KubernetesApi(names)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            status, body = api.find(Asked(self.command, url.path, query, json.loads(content) if content else None))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = _serve  # noqa: N815 -- as the server looks for them

        def log_message(self, *arguments: object) -> None:
            del arguments

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
