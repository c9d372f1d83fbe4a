"""A Cube that is played: asks for its bundle over HTTP as cube.js does, and says what it makes of it."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

_POLL_SECONDS = 0.1


class PlayedCube:
    """Polls in a thread as long as its context lasts.

    Attributes:
        serving: digest of the bundle that it serves.
        refusal: what it says of every new bundle; None serves it.
    """

    def __init__(self, address: str, blobs: Path, environment: str, product: str) -> None:
        self.serving = ""
        self.refusal: str | None = None
        self._address = address
        self._blobs = blobs
        self._place = {"environment": environment, "product": product}
        self._tag = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _poll(self) -> None:
        while not self._ended.wait(_POLL_SECONDS):
            try:
                self._once()
            except (urllib.error.HTTPError, ConnectionError):
                continue  # nothing is offered yet, or the service is busy

    def _once(self) -> None:
        query = "&".join(f"{name}={value}" for name, value in self._place.items())
        headers = {
            "If-None-Match": self._tag,
            "X-Floe-Cube-Instance": "played",
            "X-Floe-Cube-Serving": self.serving,
        }
        bundle, tag = _asked(f"{self._address}/v1/cube/bundle?{query}", None, headers)
        digest = bundle["bundle_digest"]
        if self._judged(digest) == "served":
            self.serving = digest
        self._tag = tag

    def _judged(self, digest: str) -> str:
        """Tell the verdict; what the service says of it."""
        document = json.loads((self._blobs / digest.replace(":", "/")).read_bytes())
        verdict = {
            "version": "1.0",
            "instance": "played",
            **self._place,
            "bundle_digest": digest,
            "outcome": "refused" if self.refusal else "served",
            "error": self.refusal,
            "cubes": {} if self.refusal else {**document["cubes"], **document["views"]},
        }
        headers = {"Content-Type": "application/json"}
        answer, _ = _asked(f"{self._address}/v1/cube/verdicts", json.dumps(verdict).encode(), headers)
        return str(answer["outcome"])


def _asked(url: str, body: bytes | None, headers: dict[str, str]) -> tuple[dict[str, Any], str]:
    """The document and the ETag of an answer."""
    request = urllib.request.Request(url, body, headers)  # noqa: S310 -- our own service
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer), str(answer.headers["ETag"])
