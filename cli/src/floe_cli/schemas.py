"""The JSON Schemas that the contracts are published with."""

from __future__ import annotations

from importlib import resources
from typing import Final

from floe_contracts.errors import WrongUsage
from floe_contracts.suggestions import meant_or_known

_NAMED: Final = {
    "floe": "floe-spec.json",
    "platform": "platform-spec.json",
    "artifacts": "compiled-artifacts",
    "nodes": "node-graph",
    "report": "enforcement-report",
}


def published_schemas() -> dict[str, str]:
    """Name -> file below the folder of schemas; of a document with several minors the newest."""
    root = resources.files("floe_contracts") / "schemas"

    def newest(folder: str) -> str:
        minors = [entry.name.removesuffix(".json") for entry in (root / folder).iterdir()]
        return f"{folder}/{max(minors, key=lambda minor: tuple(int(part) for part in minor.split('.')))}.json"

    named = {name: file if file.endswith(".json") else newest(file) for name, file in _NAMED.items()}
    return named | {kind.name: newest(f"events/{kind.name}") for kind in (root / "events").iterdir()}


def read_schema(name: str) -> str:
    """The text of a schema.

    Raises:
        WrongUsage: there is none of that name.
    """
    schemas = published_schemas()
    if name not in schemas:
        raise WrongUsage(f"there is no schema {name!r}", hint=meant_or_known(name, schemas))
    return (resources.files("floe_contracts") / "schemas" / schemas[name]).read_text("utf-8")
