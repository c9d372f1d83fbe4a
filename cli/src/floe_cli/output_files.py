"""Files that a command writes where it is told to."""

from __future__ import annotations

from pathlib import Path

from floe_cli.errors import FileUnusable


def write_output(file: Path, content: str | bytes) -> None:
    """Write a file; the folders above it are made.

    Raises:
        FileUnusable: it cannot be written there.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    except OSError as error:
        raise FileUnusable(
            f"{file} cannot be written: {error.strerror}", hint="name a place that you may write to"
        ) from error
