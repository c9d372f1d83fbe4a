"""What can be said of a document at first sight, whatever its form and whether or not it is valid."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from floe_contracts.sections import PRODUCT_PATTERN

PLATFORM_FILES: Final = ("platform.yaml", "manifest.yaml")
"""What the document of a platform is called; the first one that is there counts."""


def product_name(flat_name: str) -> str:
    """The name of a product by the name that a flat floe.yaml gives it (rule flat-name)."""
    return flat_name.lower().replace("_", "-")


def glimpse_product(floe_yaml: Mapping[str, Any]) -> str | None:
    """The name that a floe.yaml gives its product, also when much else in it is wrong; None if it gives none."""
    metadata = floe_yaml.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else floe_yaml.get("name")
    if isinstance(name, str) and "metadata" not in floe_yaml:
        name = product_name(name)
    return name if isinstance(name, str) and re.match(PRODUCT_PATTERN, name) else None


def glimpse_platform_file(floe_yaml: Mapping[str, Any]) -> str | None:
    """The file that a floe.yaml names as its platform's."""
    platform = floe_yaml.get("platform")
    if not isinstance(platform, dict):
        return None
    named = platform.get("file") or platform.get("manifest")
    return named if isinstance(named, str) and named else None
