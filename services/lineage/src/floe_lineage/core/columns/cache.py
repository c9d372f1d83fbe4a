"""The key under which a result may be kept: the same key, the same result."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from floe_lineage.core.columns.model import Statement

EXTRACTOR_VERSION: Final = 5
"""Goes up with every change that gives another result for the same statement."""
_PARSER: Final = "sqlglot"


def cache_key(statement: Statement) -> str:
    """The SHA-256, in hex, of all that the result depends on; also of who reads the SQL."""
    asked = [EXTRACTOR_VERSION, parser_version(), asdict(statement)]
    return hashlib.sha256(json.dumps(asked, separators=(",", ":"), sort_keys=True).encode()).hexdigest()


@cache
def parser_version() -> str | None:
    """The version of the SQL parser; None where the extra `column-lineage` is not installed."""
    try:
        return version(_PARSER)
    except PackageNotFoundError:
        return None
