"""What a file of events leaves behind as it grows: full files beside it, numbered from 1 on, the newest highest."""

from __future__ import annotations

import re
from pathlib import Path


def rotate(path: Path) -> None:
    """Put the file aside under the next number; nothing if it is not there, as after a crash in between."""
    numbers = [number for number, _ in _rotated(path)]
    try:
        path.rename(path.with_name(f"{path.name}.{max(numbers, default=0) + 1:06d}"))
    except FileNotFoundError:
        return


def prune(path: Path, keep: int) -> None:
    """Remove all but the newest `keep` files that were put aside."""
    files = [file for _, file in sorted(_rotated(path))]
    for file in files[: max(0, len(files) - keep)]:
        file.unlink(missing_ok=True)


def _rotated(path: Path) -> list[tuple[int, Path]]:
    name = re.compile(re.escape(path.name) + r"\.(\d{6,})")
    found = [(name.fullmatch(file.name), file) for file in path.parent.iterdir()]
    return [(int(match[1]), file) for match, file in found if match]
