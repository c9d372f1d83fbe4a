"""The platform.yaml of this installation, and the documents above it, on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from floe_compiler.errors import PlatformUnreadable
from floe_contracts.platform.resolution import parent_texts


def read_installed(file: Path) -> tuple[str, Mapping[str, str]]:
    """The document's text, and those of its parents by their paths from its folder, as far as they can be read.

    Bytes that are not UTF-8 stay visible, so that reading the document refuses them.

    Raises:
        PlatformUnreadable: the document itself cannot be read.
    """
    try:
        text = _text(file)
    except OSError as error:
        raise PlatformUnreadable(
            f"{file.name}: {error.strerror or type(error).__name__}",
            hint="FLOE_COMPILER_PLATFORM_FILE names a file that the compiler may read",
        ) from error
    return text, parent_texts(text, file.name, lambda name: _text(file.parent / name))


def _text(file: Path) -> str:
    return file.read_bytes().decode(errors="surrogateescape")
