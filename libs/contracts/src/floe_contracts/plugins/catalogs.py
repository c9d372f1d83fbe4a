"""The interface of kinds of Iceberg catalogs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from floe_contracts.plugins.metadata import Plugin


class CatalogPlugin(Plugin, Protocol):
    """A kind of catalog."""

    def open(self, name: str, options: Any, properties: Mapping[str, str]) -> Any:
        """Open a catalog.

        Args:
            name: the catalog's name inside its server, the same for every process that shares it.
            options: an instance of `self.options`.
            properties: what is not among the options, for pyiceberg as it is.

        Returns:
            A `pyiceberg.catalog.Catalog`.
        """
        ...
