"""Names of people and owners as nobody can read them, and as the same one is always told."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Final, TypeAlias

import orjson

from floe_semantic.core.queries.records import QueryRecord

Pseudonym: TypeAlias = Callable[[str, str, str], str | None]
"""(tenant, sort, name) -> its pseudonym; None where none are made."""

_DIGITS: Final = 32
_USER: Final = "user"


def pseudonyms(key: str | None) -> Pseudonym:
    """Keyed hashes: without the key, nobody can try names until one fits.

    The same name has another pseudonym in another tenant and as another sort of name.

    Args:
        key: the secret; without one, nobody is told of, as a hash that anybody can make hides nothing.
    """

    def make(tenant: str, sort: str, name: str) -> str | None:
        if key is None:
            return None
        content = orjson.dumps([tenant, sort, name])
        return hmac.new(key.encode(), content, hashlib.sha256).hexdigest()[:_DIGITS]

    return make


def pseudonymous(record: QueryRecord, tenant: str, pseudonym: Pseudonym) -> QueryRecord:
    """A record with pseudonyms of the caller and the row owners; without those who have none."""
    owners = {claim: pseudonym(tenant, claim, owner) for claim, owner in sorted(record.row_owners.items())}
    return record.model_copy(
        update={
            "user": pseudonym(tenant, _USER, record.user) if record.user else None,
            "row_owners": {claim: owner for claim, owner in owners.items() if owner is not None},
        }
    )
