"""Digests and canonical JSON.

A digest is `sha256:<64 hex digits>` of the exact bytes stored (DESIGN section 4). Documents are stored as RFC 8785
canonical JSON, so that the same content has the same bytes wherever it was written.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import rfc8785

PREFIX: Final = "sha256:"
_LENGTH: Final = len(PREFIX) + 64


def digest_of(content: bytes) -> str:
    """The digest of `content`."""
    return PREFIX + hashlib.sha256(content).hexdigest()


def is_digest(text: str) -> bool:
    """Whether `text` is spelled like a digest."""
    return text.startswith(PREFIX) and len(text) == _LENGTH and set(text[len(PREFIX) :]) <= set("0123456789abcdef")


def short(digest: str) -> str:
    """The first 12 hex digits: enough to recognise a digest, not to address it."""
    return digest.removeprefix(PREFIX)[:12]


def canonical_json(value: Any) -> bytes:
    """`value` as RFC 8785 canonical JSON.

    Raises:
        rfc8785.CanonicalizationError: a value that JSON has no canonical form for (NaN, an integer over 2**53).
    """
    return rfc8785.dumps(value)
