"""Tokens for trying Cube out: signed with its shared key, as Cube verifies them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from typing import Any

from floe_contracts.errors import WrongUsage


def signed(claims: Mapping[str, Any], secret: str) -> str:
    """A JSON Web Token with these claims (RFC 7515, HS256)."""
    parts = ({"alg": "HS256", "typ": "JWT"}, claims)
    body = ".".join(_encoded(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    return f"{body}.{_encoded(hmac.new(secret.encode(), body.encode(), hashlib.sha256).digest())}"


def claims_of(pairs: Iterable[str], roles: Iterable[str], roles_claim: str, expires_at: int) -> dict[str, Any]:
    """The claims that a person named.

    Args:
        pairs: `name=value`; a name with dots lies within others.
        roles: of the caller.
        roles_claim: the claim that holds them.
        expires_at: in seconds since 1970.

    Raises:
        WrongUsage: one is no pair, or has a name that another one needs for itself.
    """
    claims: dict[str, Any] = {"exp": expires_at}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not all(name.split(".")):
            raise WrongUsage(f"{pair!r} is no claim", hint="as in --claim brand=Nord")
        _put(claims, name, value)
    if named := list(roles):
        _put(claims, roles_claim, named)
    return claims


def _put(claims: dict[str, Any], name: str, value: object) -> None:
    *above, last = name.split(".")
    inside: Any = claims
    for part in above:
        inside = inside.setdefault(part, {})
        if not isinstance(inside, dict):
            break
    if not isinstance(inside, dict) or last in inside:
        raise WrongUsage(f"the claim {name!r} is named twice")
    inside[last] = value


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
