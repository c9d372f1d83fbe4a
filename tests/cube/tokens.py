"""JSON Web Tokens as callers of Cube bring them, good ones and forged ones."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any, Final

SECRET: Final = "a secret that tests and their Cube share, long enough"


def token(claims: dict[str, Any] | None = None, *, secret: str = SECRET, algorithm: str = "HS256") -> str:
    """A token with these claims, signed with the shared key."""
    body = _body(claims or {}, {"alg": algorithm, "typ": "JWT"})
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[algorithm]
    return f"{body}.{_encoded(hmac.new(secret.encode(), body.encode(), digest).digest())}"


def unsigned(claims: dict[str, Any]) -> str:
    """A token that says of itself that it needs no signature."""
    return f"{_body(claims, {'alg': 'none', 'typ': 'JWT'})}."


def _body(claims: dict[str, Any], header: dict[str, str]) -> str:
    return ".".join(_encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
