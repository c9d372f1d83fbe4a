"""An Iceberg REST catalog that DuckDB has attached beside the product's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedCatalog:
    """What DuckDB attaches. A value that is a secret is the text by which a profile reads its placeholder.

    Attributes:
        endpoint: address of the catalog.
        warehouse: the warehouse in it.
        secret: the options of DuckDB's secret of type `iceberg`; none where the catalog is open to everybody.
        options: more options of `ATTACH`.
        storage: folders, as URIs, that DuckDB may read and write beside the project's own.
        extensions: files of DuckDB's extensions, in the order in which they are loaded.
    """

    endpoint: str
    warehouse: str
    secret: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    storage: Sequence[str] = ()
    extensions: Sequence[Path] = ()

    def to_config(self) -> dict[str, Any]:
        """The entry `catalog` of the sandbox's configuration."""
        return {
            "endpoint": self.endpoint,
            "warehouse": self.warehouse,
            "secret": dict(self.secret),
            "options": dict(self.options),
            "storage": list(self.storage),
            "extensions": [str(extension) for extension in self.extensions],
        }
