"""Looking a field up in both documents of a product."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from floe_cli.environments import choose_environment
from floe_cli.products import Product, floe_yaml_tree, read_product
from floe_contracts.documents.explanation import Explanation, explain_floe_spec, explain_platform, suggest_field
from floe_contracts.documents.yaml_tree import Path as FieldPath
from floe_contracts.errors import WrongUsage
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.platform_spec import PlatformSpec

_LOGICAL: Final = {"compute": "compute", "storage": "storage", "catalog": "catalogs"}
"""Fields of floe.yaml that hold logical names, and the section of platform.yaml where they lead."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A field, and what its logical name stands for in each environment."""

    explanation: Explanation
    resolves: tuple[tuple[str, Explanation], ...] = ()


def explain_field(folder: Path, field: str, environment: str | None) -> list[Explained]:
    """What holds for `field`, in each document that has it.

    Args:
        folder: the product's.
        field: names joined by dots; numbers count the items of lists from 0.
        environment: tell of this one only; a field of it may be named without `environments` before it.

    Raises:
        WrongUsage: no document has the field, or there is no such environment.
        DocumentInvalid: with the problems of both documents.
    """
    product = read_product(folder)
    environments = [choose_environment(product, environment)] if environment else sorted(product.platform.environments)
    parts = field.replace("[", ".").replace("]", "").split(".")
    path = tuple(int(part) if part.isdigit() else part for part in parts)
    tree = floe_yaml_tree(folder)
    found = []
    if own := explain_floe_spec(product.spec, tree, path, product.resolved):
        found.append(Explained(own, tuple(_resolved(product, own, environments))))
    platform = explain_platform(product.resolved, path)
    if platform is None and environment is not None:
        platform = explain_platform(product.resolved, ("environments", environment, *path))
    if platform is not None:
        found.append(Explained(platform))
    if not found:
        documents = (FloeSpec, tree.value), (PlatformSpec, product.resolved.tree.value)
        raise WrongUsage(f"no document has a field {field!r}", hint=suggest_field(path, *documents))
    return found


def _resolved(product: Product, own: Explanation, environments: list[str]) -> Iterator[tuple[str, Explanation]]:
    """Where a logical name leads: the profile's line in platform.yaml, and what is defined under the name there."""
    section = _LOGICAL.get(str(own.note.path[-1]))
    if section is None or (len(own.note.path) > 1 and section != "compute") or not isinstance(own.value, str):
        return
    for name in environments:
        part = str(own.note.path[-1])
        line: FieldPath = ("environments", name, "profiles", own.value, part)
        profile = explain_platform(product.resolved, line)
        if profile is not None and profile.value is not None:
            yield name, profile
            if defined := explain_platform(product.resolved, (section, profile.value)):
                yield name, defined
