"""Published schemas: what may still change in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def is_versioned(path: Path) -> bool:
    """Whether the address of a schema holds a version (`1.0.json`, `1-0-0/...`): it is published for good then."""
    return path.suffix == ".json" and (path.stem[0].isdigit() or path.parent.name[0].isdigit())


def breaks_publication(path: Path, content: str) -> bool:
    """Whether `content` means something else than the schema that is published at `path` says."""
    if not is_versioned(path) or not path.exists():
        return False
    return bool(_meaning(json.loads(path.read_text(encoding="utf-8"))) != _meaning(json.loads(content)))


def _meaning(schema: Any) -> Any:
    """`schema` without its descriptions, which bind nobody. A property may be called `description`, too."""
    if isinstance(schema, list):
        return [_meaning(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if not (key == "description" and isinstance(value, str))}
    return {key: _meaning(value) for key, value in kept.items()}
