"""The lineage backends for which the bus needs a consumer each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from floe_contracts.platform.resolution import resolve_platform

_DEFAULT: Final = "file"


def named_backends(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The backends that the settings of the lineage service name, those of its platform.yaml among them.

    Raises:
        DocumentInvalid: with all problems of platform.yaml.
    """
    written = environment.get("FLOE_LINEAGE_BACKENDS", _DEFAULT)
    named = tuple(name.strip() for name in written.split(",") if name.strip())
    platform = environment.get("FLOE_LINEAGE_PLATFORM_FILE")
    return (*named, *platform_backends(Path(platform))) if platform else named


def platform_backends(file: Path) -> tuple[str, ...]:
    """The backends that a platform.yaml names.

    Raises:
        DocumentInvalid: with all its problems.
    """

    def read(name: str) -> str:
        return (file.parent / name).read_text("utf-8", "surrogateescape")

    return tuple(sorted(resolve_platform(read(file.name), str(file), read).spec.observability.lineage))
