"""How two bundles differ, file by file, as `diff -u` shows it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Final

_NOWHERE: Final = "/dev/null"


def unified(before: Mapping[str, str], after: Mapping[str, str], names: tuple[str, str]) -> Iterator[str]:
    """The lines of it, without their ends; none where the files are the same.

    Args:
        before: path -> text.
        after: path -> text.
        names: what the two are called.
    """
    for path in sorted(before.keys() | after.keys()):
        old, new = (files.get(path) for files in (before, after))
        if old == new:
            continue
        yield from difflib.unified_diff(
            (old or "").splitlines(),
            (new or "").splitlines(),
            _NOWHERE if old is None else f"{path} ({names[0]})",
            _NOWHERE if new is None else f"{path} ({names[1]})",
            lineterm="",
        )
