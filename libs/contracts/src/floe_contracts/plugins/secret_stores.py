"""The interface of secret stores: where the services look up secrets that documents name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from floe_contracts.plugins.metadata import Plugin


class SecretStore(Protocol):
    """A place that holds secrets."""

    def find(self, name: str) -> str | None:
        """The secret; None if there is none of this name.

        Raises:
            FloeError: the store cannot tell. No message holds a secret.
        """
        ...

    def place(self, name: str) -> str:
        """Where the secret would be, for the message that it is missing, as in `a variable WAREHOUSE_PASSWORD`."""
        ...


class SecretStorePlugin(Plugin, Protocol):
    """A kind of secret store."""

    def store(self, options: Any, environment: Mapping[str, str]) -> SecretStore:
        """A store; reaches nothing outside before it is asked for a secret.

        Args:
            options: an instance of `self.options`.
            environment: that of the process.
        """
        ...
