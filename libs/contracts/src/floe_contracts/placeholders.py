"""Names of the variables that stand for secrets in a dbt profile.

dbt allows `DBT_ENV_SECRET_*` in profiles and refuses it in models, so that no model reads what opens its warehouse.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

PLACEHOLDER_PREFIX: Final = "DBT_ENV_SECRET_FLOE_"
_PLAIN_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_CONTAINERS: Final = frozenset({"connection", "credentials"})
"""Sections that only hold the fields of one mode; a compute has one of them."""


def placeholder(compute: str, field: str) -> str:
    """The variable for one secret of one compute; two computes never share one.

    Args:
        compute: name in platform.yaml.
        field: dotted path of the property, as in `credentials.password`.
    """
    first, _, rest = field.partition(".")
    own = rest if first in _CONTAINERS else field
    return f"{PLACEHOLDER_PREFIX}{_variable(compute)}__{own.replace('.', '_').upper()}"


def _variable(name: str) -> str:
    """`name` in upper case; with a checksum where other names look the same in upper case."""
    upper = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")
    if _PLAIN_NAME.fullmatch(name):
        return upper
    return f"{upper}_{hashlib.sha256(name.encode()).hexdigest()[:8].upper()}"
