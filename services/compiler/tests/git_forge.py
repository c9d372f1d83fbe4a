"""A forge that speaks https with a password, as a real one does: git's own server behind a small TLS door."""

from __future__ import annotations

import base64
import contextlib
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Forge:
    """Where it is, how it is trusted and entered, and the paths that it was asked for."""

    url: str
    certificate: Path
    credentials: Path
    asked: list[str] = field(default_factory=list)


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    root: ClassVar[Path]
    asked: ClassVar[list[str]]
    password: ClassVar[str]

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(body)

    def _answer(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        self.asked.append(path)
        if path.startswith("/moved/"):
            self._say(302, {"Location": self.path.replace("/moved/", "/", 1)}, b"")
        elif self.headers.get("Authorization") != f"Basic {self.password}":
            self._say(401, {"WWW-Authenticate": 'Basic realm="forge"'}, b"")
        else:
            self._say(*self._backend(path, query, body))

    def _backend(self, path: str, query: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REMOTE_USER": "ann",
        }
        done = subprocess.run(["git", "http-backend"], env=environment, input=body, capture_output=True, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        return int(headers.pop("Status", "200").split()[0]), headers, content

    def _say(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def forge(root: Path, folder: Path) -> Iterator[Forge]:
    """Serve the repositories below `root`; certificate and credentials are in `folder`."""
    folder.mkdir()
    key, certificate, credentials = folder / "key.pem", folder / "certificate.pem", folder / "credentials"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject]
    made = [*command, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, stderr=subprocess.DEVNULL)
    asked: list[str] = []
    password = base64.b64encode(b"ann:canary-6f1e").decode()
    door = type("Door", (_Door,), {"root": root, "asked": asked, "password": password})
    server = ThreadingHTTPServer(("127.0.0.1", 0), door)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    credentials.write_text(f"https://ann:canary-6f1e@localhost%3a{server.server_port}\n")
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    serving.start()
    try:
        yield Forge(f"https://localhost:{server.server_port}", certificate, credentials, asked)
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
