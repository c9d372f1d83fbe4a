"""Bearer tokens of callers, compared in a time that does not depend on what was sent."""

from __future__ import annotations

import hmac

from pydantic import SecretStr

from floe_gateway.errors import Unauthorized


def check_token(authorization: str | None, token: SecretStr | None) -> None:
    """Refuse a caller without the token.

    Args:
        authorization: the header as it came.
        token: None lets everybody in.

    Raises:
        Unauthorized: the header is missing or wrong.
    """
    if token is not None and not bears(authorization, token):
        raise unauthorized()


def bears(authorization: str | None, token: SecretStr) -> bool:
    """Whether the header carries this token."""
    expected = f"Bearer {token.get_secret_value()}".encode()
    return hmac.compare_digest((authorization or "").encode(errors="surrogateescape"), expected)


def unauthorized() -> Unauthorized:
    """The refusal, the same whatever was wrong."""
    return Unauthorized("the bearer token is missing or wrong", hint="send Authorization: Bearer <token>")
