"""Digests and canonical JSON.

A digest is `sha256:<64 hex digits>` of the exact bytes stored (DESIGN section 4). Documents are stored as RFC 8785
canonical JSON, so that the same content has the same bytes wherever it was written.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import orjson
import rfc8785

PREFIX: Final = "sha256:"
_LENGTH: Final = len(PREFIX) + 64
_LARGEST_INTEGER: Final = 2**53 - 1
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_CONTAINERS: Final = frozenset({dict, list})
_PLAIN: Final = _SCALARS | _CONTAINERS
_WITH_RANGE: Final = frozenset({int, float})


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
    if is_simple_json(value):
        try:
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        except orjson.JSONEncodeError:  # a lone surrogate, or nested too deep: the reference decides
            pass
    return rfc8785.dumps(value)


def is_simple_json(value: Any) -> bool:
    """Whether every JSON writer that sorts keys and adds no space writes `value` canonically.

    So it is where writers have no choice: keys are ASCII (RFC 8785 sorts by UTF-16 code units, others by code points),
    integers are exact as doubles, and fractions are neither whole nor written with an exponent by anybody. Everything
    is of JSON's own types, not of their subclasses.
    """
    waiting = [[value]]
    while waiting:
        values = waiting.pop()
        kinds = set(map(type, values))
        if not kinds <= _PLAIN:
            return False
        if kinds & _WITH_RANGE and not all(map(_is_simple_number, values)):
            return False
        if kinds & _CONTAINERS:
            for one in values:
                if type(one) is dict:
                    if not _has_simple_keys(one):
                        return False
                    waiting.append(list(one.values()))
                elif type(one) is list:
                    waiting.append(one)
    return True


def _has_simple_keys(mapping: dict[Any, Any]) -> bool:
    try:
        return "".join(mapping).isascii()
    except TypeError:
        return False


def _is_simple_number(value: Any) -> bool:
    if type(value) is int:
        return -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER
    if type(value) is float:
        return 1e-4 <= abs(value) < 1e15 and not value.is_integer()
    return True
