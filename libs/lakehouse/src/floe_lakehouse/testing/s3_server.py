"""A server that speaks S3 (and Glue and STS), in this process."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from moto.server import ThreadedMotoServer


@contextmanager
def serving_s3() -> Iterator[str]:
    """Run an empty server on a free port, and give its endpoint. It takes any keys.

    All servers of a process share what they hold, so that it is emptied first: one at a time.
    """
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        _tell(f"{endpoint}/moto-api/reset")
        yield endpoint
    finally:
        server.stop()


@contextmanager
def checking_keys(endpoint: str) -> Iterator[None]:
    """Have the server check signatures, and what keys may do by its IAM, for as long as the block runs."""
    _tell(f"{endpoint}/moto-api/reset-auth", "0")  # so many requests go unchecked
    try:
        yield
    finally:
        _tell(f"{endpoint}/moto-api/reset-auth", "inf")


def _tell(url: str, text: str = "") -> None:
    request = urllib.request.Request(  # noqa: S310 - it is http
        url, data=text.encode(), headers={"Content-Type": "text/plain"}, method="POST"
    )
    urllib.request.urlopen(request, timeout=30).close()  # noqa: S310
