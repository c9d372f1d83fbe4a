"""Bearer tokens of callers, compared in a time that does not depend on what was sent."""

from __future__ import annotations

import hmac

from pydantic import SecretStr


def bears(authorization: str | None, token: SecretStr) -> bool:
    """Whether a header `Authorization`, as it came, carries this token."""
    expected = f"Bearer {token.get_secret_value()}".encode()
    return hmac.compare_digest((authorization or "").encode(errors="surrogateescape"), expected)
