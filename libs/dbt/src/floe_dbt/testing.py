"""For tests with dbt packages: a hub on this machine that speaks dbt's protocol.

It serves an index, a document for each package, and tarballs.
"""

from __future__ import annotations

import io
import json
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class PackageHub:
    """What the hub serves, and what it was asked for.

    Attributes:
        packages: files of each package by its name at the hub, `namespace/name`; all have the version 1.0.0.
        asked: paths of all requests so far.
    """

    packages: dict[str, Mapping[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str) -> bytes | None:
        self.asked.append(path)
        if path == "/api/v1/index.json":
            return json.dumps(sorted(self.packages)).encode()
        package = path.removeprefix("/api/v1/").removesuffix(".json").removesuffix(".tar.gz")
        if package not in self.packages:
            return None
        return self._tarball(package) if path.endswith(".tar.gz") else self._document(package)

    def _document(self, package: str) -> bytes:
        name = package.split("/")[1]
        version = {
            "id": f"{package}/1.0.0",
            "name": name,
            "version": "1.0.0",
            "packages": [],
            "require_dbt_version": [],
            "downloads": {"tarball": f"{self.url}api/v1/{package}.tar.gz", "format": "tgz"},
        }
        namespace = package.split("/")[0]
        return json.dumps({"name": name, "namespace": namespace, "versions": {"1.0.0": version}}).encode()

    def _tarball(self, package: str) -> bytes:
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz") as archive:
            folder = tarfile.TarInfo(f"{package.replace('/', '-')}-1.0.0")
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
            for path, text in self.packages[package].items():
                entry = tarfile.TarInfo(f"{folder.name}/{path}")
                if text.startswith("-> "):
                    entry.type, entry.linkname = tarfile.SYMTYPE, text.removeprefix("-> ")
                    archive.addfile(entry)
                else:
                    entry.size = len(text.encode())
                    archive.addfile(entry, io.BytesIO(text.encode()))
        return content.getvalue()


@contextmanager
def serving_hub() -> Iterator[PackageHub]:
    """A hub at a free port, for as long as the block runs."""
    hub = PackageHub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = hub.answer(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *arguments: object) -> None:
            del arguments

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
