"""YAML as Cube needs it: block style, no anchors, and nothing in it that looks like Jinja.

Cube hands a file to its template engine if a Jinja bracket stands anywhere in it, a string or `}}` of flow style
included. Strings that are not plain words are double-quoted, so that YAML 1.1 and 1.2 read them alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

Scalar: TypeAlias = str | int | bool
Block: TypeAlias = Scalar | Sequence["Block"] | Mapping[str, "Block"]

_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NOT_STRINGS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_JINJA: Final = re.compile(r"\{%|%\}|\{\{|\}\}|\{#|#\}")
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}
_SPECIAL: Final = re.compile(r'[\\"]|[^\x20-\x7e]')


def dump(document: Mapping[str, Block]) -> str:
    """`document` as block YAML in ASCII; keys stay in their order."""
    return "\n".join(_lines(document, "")) + "\n"


def _lines(value: Block, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _entry(f"{indent}{_scalar(key)}:", inner, indent + "  ")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            first, *rest = list(_lines(inner, indent + "  "))
            yield f"{indent}- {first.lstrip(' ')}"
            yield from rest
    else:
        yield indent + _scalar(value)


def _entry(head: str, value: Block, indent: str) -> Iterator[str]:
    if isinstance(value, (str, int)):
        yield f"{head} {_scalar(value)}"
    elif not value:
        yield f"{head} {'{}' if isinstance(value, Mapping) else '[]'}"
    else:
        yield head
        yield from _lines(value, indent)


def _scalar(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if _WORD.fullmatch(value) and value.lower() not in _NOT_STRINGS:
        return value
    escaped = _SPECIAL.sub(lambda match: _escape(match.group(0)), value)
    return '"' + _JINJA.sub(lambda match: "".join(f"\\x{ord(sign):02x}" for sign in match.group(0)), escaped) + '"'


def _escape(sign: str) -> str:
    if sign in _ESCAPES:
        return _ESCAPES[sign]
    code = ord(sign)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
