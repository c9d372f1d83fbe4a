"""What went wrong in a transform, told with the line of the product where it did."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LONGEST: Final = 4000
"""Characters of a message; a failed cast may quote a whole row."""


class Unfit(Exception):
    """The module does not fulfil what a Python transform must; the message says what."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A message for people, and the place in the product that it speaks of."""

    message: str
    file: str | None = None
    line: int | None = None


def failure_of(error: BaseException, folder: Path) -> Failure:
    """Describe `error`, as raised by a module of the product in `folder`."""
    if isinstance(error, SyntaxError) and (file := _inside(error.filename, folder)):
        return Failure(f"{type(error).__name__}: {error.msg} ({file}:{error.lineno})", file, error.lineno)
    frames = [
        (file, frame.lineno, frame.name)
        for frame in traceback.extract_tb(error.__traceback__)
        if (file := _inside(frame.filename, folder))
    ]
    text = str(error) if isinstance(error, Unfit) else f"{type(error).__name__}: {error}".rstrip(": ")
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
    shown = [f"  {file}:{line} in {function}" for file, line, function in frames]
    file, line = (frames[-1][0], frames[-1][1]) if frames else (None, None)
    return Failure("\n".join([text, *shown]), file, line)


def _inside(filename: str | None, folder: Path) -> str | None:
    """The file as the product calls it; None for a file of somebody else."""
    if filename is None:
        return None
    path = Path(filename)
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else None
