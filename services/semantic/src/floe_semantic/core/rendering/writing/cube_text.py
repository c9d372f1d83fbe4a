"""Text as Cube reads it: every string of a YAML model is the body of a Python f-string."""

from __future__ import annotations

import re
from typing import Final

_BRACES: Final = re.compile(r"[\\{}]")
_PREFIX: Final = re.compile(r"f|fr|rf", re.IGNORECASE)
_BREAKS: Final = re.compile(r"\r\n?|[\u2028\u2029\x85]")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def literal(text: str) -> str:
    """`text` so that Cube evaluates nothing in it and changes nothing of it. Used for SQL, too.

    A backslash at the end would escape Cube's own quote behind it, a carriage return would become a line feed, and the
    prefix of an f-string alone would be taken for one that begins. They are written as the escapes that Python and
    JavaScript share.
    """
    if _PREFIX.fullmatch(text):
        return "".join(f"\\x{ord(sign):02x}" for sign in text)
    escaped = _BRACES.sub(lambda match: "\\" + match.group(0), text).replace("\r", "\\r")
    return f"{escaped[:-2]}\\x5c" if text.endswith("\\") else escaped


def prose(text: str) -> str:
    """A title or description so that Cube shows it as it is.

    Every kind of line break becomes a line feed; control characters and halves of surrogate pairs vanish, and so do
    blanks at both ends.
    """
    clean = _CONTROLS.sub("", _BREAKS.sub("\n", text)).encode("utf-8", "ignore").decode()
    return literal(clean.strip())
