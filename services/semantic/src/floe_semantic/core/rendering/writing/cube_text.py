"""Text as Cube reads it: every string of a YAML model is the body of a Python f-string."""

from __future__ import annotations

import re
from typing import Final

_BRACES: Final = re.compile(r"[\\{}]")
_BREAKS: Final = re.compile(r"\r\n?|[\u2028\u2029\x85]")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def literal(text: str) -> str:
    """`text` so that Cube evaluates nothing in it. Used for SQL strings too; changes nothing but the spelling."""
    return _BRACES.sub(lambda match: "\\" + match.group(0), text)


def prose(text: str) -> str:
    """A title or description so that Cube shows it as it is.

    Every kind of line break becomes a line feed; control characters and halves of surrogate pairs vanish, and so do
    backslashes at the end, which Cube would read as an escape of its own quote.
    """
    clean = _CONTROLS.sub("", _BREAKS.sub("\n", text)).encode("utf-8", "ignore").decode()
    return literal(clean.strip().rstrip("\\").rstrip())
