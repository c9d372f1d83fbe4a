"""Refusing callers without their token."""

from __future__ import annotations

from pydantic import SecretStr

from floe_contracts.bearer_tokens import bears
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


def unauthorized() -> Unauthorized:
    """The refusal, the same whatever was wrong."""
    return Unauthorized("the bearer token is missing or wrong", hint="send Authorization: Bearer <token>")
