"""A product's folder on disk: finding and reading its two documents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from floe_contracts.documents import read_both, read_floe_spec, read_platform_spec
from floe_contracts.errors import WrongUsage
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.platform_spec import DEFAULT_PLATFORM, PlatformSpec

_KEPT: Final = "surrogateescape"
"""Bytes that are not UTF-8 stay visible, so that reading the document refuses them."""


@dataclass(frozen=True, slots=True)
class Product:
    """A product's folder and its documents."""

    folder: Path
    spec: FloeSpec
    platform: PlatformSpec
    platform_yaml: str | None
    """The text of platform.yaml; None where the embedded default stands in for it."""

    @property
    def name(self) -> str:
        """The product's name."""
        return self.spec.metadata.name


def read_product(path: Path) -> Product:
    """Read the product of a folder.

    Raises:
        WrongUsage: the folder has no floe.yaml.
        DocumentInvalid: with the problems of both documents.
    """
    folder = path.resolve()
    floe_yaml = folder / "floe.yaml"
    if not floe_yaml.is_file():
        raise WrongUsage(
            f"there is no floe.yaml in {path}", hint="name the folder of a product, as in: floe run examples/orders"
        )
    platform_file = folder / "platform.yaml"
    platform_yaml = platform_file.read_text("utf-8", _KEPT) if platform_file.is_file() else None
    spec, platform = read_both(
        lambda: read_floe_spec(floe_yaml.read_text("utf-8", _KEPT), str(path / "floe.yaml")),
        lambda: read_platform_spec(platform_yaml or DEFAULT_PLATFORM, str(path / "platform.yaml")),
    )
    return Product(folder, spec, platform, platform_yaml)
