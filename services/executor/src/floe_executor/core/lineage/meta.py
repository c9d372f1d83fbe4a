"""What dbt's own `meta` says of a node, beside `meta.floe`, which the node's fields hold already."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from floe_contracts.documents.secrets_scan import is_secret_name, is_secret_value
from floe_contracts.nodes import Node

_OWNER: Final = "owner"
_OWN: Final = frozenset({"floe", _OWNER})
_SOURCE: Final = "DBT_META"


def owner_of(node: Node) -> str | None:
    """Whom to ask: as `meta.floe` says, else as many projects do, `meta.owner`."""
    found = node.owner or node.meta.get(_OWNER)
    return found if isinstance(found, str) and found.strip() else None


def meta_tags(node: Node) -> Iterator[tuple[str, str, str]]:
    """A tag for each entry that is a text, a number or a flag; none for what looks like a secret."""
    for key, value in sorted(node.meta.items()):
        if key in _OWN or not isinstance(value, str | int | float):
            continue
        text = value if isinstance(value, str) else json.dumps(value)
        if not is_secret_name(key) and not is_secret_value(text):
            yield key, text, _SOURCE
