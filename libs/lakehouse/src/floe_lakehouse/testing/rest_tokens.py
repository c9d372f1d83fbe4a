"""Who may ask the REST catalog for tests: clients that bring a token which has not ended."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote_plus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from floe_lakehouse.testing.rest_answers import problem


@dataclass(slots=True)
class Tokens:
    """The clients of a server, and the tokens that it has given them.

    Attributes:
        clients: the secrets, by client.
        lifetime_seconds: after which a token has ended.
        basic_only: whether a client's credentials are taken by HTTP Basic only.
        given: how many tokens were given.
    """

    clients: dict[str, str] = field(repr=False)
    lifetime_seconds: float = 3600
    basic_only: bool = False
    given: int = 0
    _owners: dict[str, tuple[str, float]] = field(default_factory=dict, repr=False)

    async def grant(self, request: Request) -> Response:
        """A token, as RFC 6749 has it; pyiceberg brings its credentials as a form, DuckDB by HTTP Basic."""
        form = dict(parse_qsl((await request.body()).decode()))
        if form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        client, secret = _basic(request) or _posted(form, taken=not self.basic_only)
        if not secret or not secrets.compare_digest(self.clients.get(client, "").encode(), secret.encode()):
            return JSONResponse({"error": "invalid_client", "error_description": "unknown client"}, 401)
        token = secrets.token_hex(16)
        self._owners[token] = (client, time.monotonic() + self.lifetime_seconds)
        self.given += 1
        return JSONResponse({"access_token": token, "token_type": "bearer", "expires_in": int(self.lifetime_seconds)})

    def refusal(self, request: Request) -> Response | None:
        """What a request without a valid token is answered; None for one with."""
        owner = self._owners.get(_token(request))
        if owner is None:
            return problem(401, "NotAuthorizedException", "no valid token")
        if time.monotonic() >= owner[1]:
            return problem(419, "AuthenticationTimeoutException", "the token has ended")
        return None

    def client_of(self, request: Request) -> str:
        """The client that asks; empty for one without a token."""
        return self._owners.get(_token(request), ("", 0))[0]

    def end_all(self) -> None:
        """Let every token end now."""
        self._owners = {token: (client, 0) for token, (client, _) in self._owners.items()}

    def forget_all(self) -> None:
        """Know no token any more, as a server does that was started anew."""
        self._owners.clear()


def _token(request: Request) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def _posted(form: Mapping[str, str], *, taken: bool) -> tuple[str, str]:
    return (form.get("client_id", ""), form.get("client_secret", "")) if taken else ("", "")


def _basic(request: Request) -> tuple[str, str] | None:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        with suppress(ValueError):
            user, _, password = base64.b64decode(encoded).decode().partition(":")
            return unquote_plus(user), unquote_plus(password)
    return None
