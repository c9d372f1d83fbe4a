"""One request over HTTP, as a benchmark asks a process of its own."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit


def ask(url: str, method: str = "GET", *, timeout: float = 10.0) -> tuple[int, bytes]:
    """Status and body of the answer.

    Raises:
        OSError: nobody answers.
    """
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)
    try:
        connection.request(method, parts.path or "/")
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
