"""What somebody may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str], *, before: str = "") -> str:
    """`did you mean 'x'?` with the nearest known name, after `before`; nothing when none is near."""
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f"{before}did you mean {close[0]!r}?" if close else ""


def meant_or_known(name: str, known: Iterable[str]) -> str:
    """A hint for a name that is not known: the nearest known one, else all of them."""
    names = sorted(known)
    return did_you_mean(name, names) or f"known are: {', '.join(names) or 'none'}"
