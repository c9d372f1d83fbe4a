"""A model's code without its `{{ config(...) }}`.

What stands in the call is in the node's config anyway; left in the code, a new tag would look like new SQL.
"""

from __future__ import annotations

import re
from typing import Final

_OPENING: Final = re.compile(r"\{\{-?\s*config\s*\(")
_CLOSING: Final = re.compile(r"\s*-?\}\}")
_QUOTES: Final = "'\""
_PAIRS: Final = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


def without_config(code: str) -> str:
    """`code` without the calls of `config` that are an expression of their own; any other stays where it is."""
    kept = []
    position = 0
    while opening := _OPENING.search(code, position):
        end = _end_of_call(code, opening.end())
        closing = _CLOSING.match(code, end)
        end = closing.end() if closing else end
        kept.append(code[position : opening.start() if closing else end])
        position = end
    return "".join([*kept, code[position:]])


def _end_of_call(code: str, start: int) -> int:
    """The position after the bracket that closes the one before `start`; the end of the code if nothing does."""
    depth, position = 1, start
    while position < len(code) and depth > 0:
        sign = code[position]
        if sign in _QUOTES:
            position = _end_of_text(code, position)
            continue
        depth += _PAIRS.get(sign, 0)
        position += 1
    return position


def _end_of_text(code: str, start: int) -> int:
    position = start + 1
    while position < len(code) and code[position] != code[start]:
        position += 2 if code[position] == "\\" else 1
    return position + 1
