"""A token that somebody else got, sent as it is."""

from __future__ import annotations

from pyiceberg.catalog.rest.auth import AuthManager


class Bearer(AuthManager):
    """Sends one token for good."""

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_header(self) -> str:
        """The header's value."""
        return f"Bearer {self._token}"
