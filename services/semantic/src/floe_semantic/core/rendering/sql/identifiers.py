"""Names in Cube, in SQL and in the security context."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection
from typing import Final

_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ILLEGAL: Final = re.compile(r"[^A-Za-z0-9_]")
_KEY_PREFIX: Final = "hex_"


def words(text: str) -> frozenset[str]:
    """The words of `text`."""
    return frozenset(text.split())


# Cube turns every reference into Python, then into JavaScript functions, and looks it up in an object.
_JAVASCRIPT: Final = words(
    "arguments await break case catch class const continue debugger default delete do else enum eval export extends "
    "false finally for function if implements import in instanceof interface let new null package private protected "
    "public return static super switch this throw true try typeof undefined var void while with yield NaN "
    "Infinity"
)
_OBJECT_PROPERTIES: Final = words(
    "constructor hasOwnProperty isPrototypeOf propertyIsEnumerable toLocaleString toString valueOf __proto__ "
    "__defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__"
)
_CUBE: Final = words(
    "CUBE TABLE FILTER_PARAMS FILTER_GROUP SECURITY_CONTEXT USER_CONTEXT COMPILE_CONTEXT SQL_UTILS security_context "
    "securityContext cubeName cubeObj __cubeName sql _objectWithResolvedProperties"
)
# Alone in a string, Cube takes them for an f-string that begins.
_PREFIXES: Final = words("f F fr fR Fr FR rf rF Rf RF")
_UNSPEAKABLE: Final = frozenset(keyword.kwlist) | _OBJECT_PROPERTIES
RESERVED: Final = _UNSPEAKABLE | _JAVASCRIPT | _CUBE | _PREFIXES


def cube_name(name: str) -> str:
    """`name` as a legal name of a cube, view or member: a letter or underscore, then those and digits."""
    legal = _ILLEGAL.sub("_", name)
    if not legal or legal[0].isdigit():
        legal = f"_{legal}"
    return f"{legal}_" if legal in RESERVED else legal


def free_name(wanted: str, taken: Collection[str], suffix: str = "_") -> str:
    """`wanted`, with `suffix` as often as it takes to be none of `taken` (casefolded names)."""
    name = wanted
    while name.casefold() in taken:
        name += suffix
    return name


def is_claim(claim: str) -> bool:
    """Whether a Cube policy can speak of `claim`: identifiers joined by dots, none of them a word of its own."""
    return all(_IDENTIFIER.fullmatch(part) and part not in _UNSPEAKABLE for part in claim.split("."))


def role_key(role: str) -> str:
    """The name under which `securityContext.floe.has` says whether the caller has `role`.

    A role that is an identifier keeps its name; any other is `hex_` and the hex digits of its UTF-8 form. No two roles
    share a key, and none is a property that every JavaScript object has.
    """
    if _IDENTIFIER.fullmatch(role) and role not in _UNSPEAKABLE and not role.startswith(_KEY_PREFIX):
        return role
    return _KEY_PREFIX + role.encode().hex()
