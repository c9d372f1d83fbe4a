"""The logical names of a floe.yaml, and the environments that do not know them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from floe_cli.errors import ProfileUnresolved
from floe_cli.products import Product, floe_yaml_tree
from floe_contracts.compiled_computes import other_computes
from floe_contracts.errors import DocumentInvalid, FloeError
from floe_contracts.suggestions import meant_or_known


def check_profile_names(product: Product, environments: Iterable[str]) -> None:
    """Look for the names that floe.yaml uses among the profiles of the environments.

    Raises:
        DocumentInvalid: with a `ProfileUnresolved` for each that an environment has not.
    """
    problems = [problem for environment in environments for problem in _unresolved(product, environment)]
    if problems:
        raise DocumentInvalid(problems)


def _unresolved(product: Product, environment: str) -> Iterator[FloeError]:
    profiles = product.platform.environments[environment].profiles
    missing = [(field, name) for field, name in _names(product) if name not in profiles]
    tree = floe_yaml_tree(product.path) if missing else None
    for field, name in missing if tree else ():
        path = tuple(int(part) if part.isdigit() else part for part in field.split("."))
        yield ProfileUnresolved(
            f"the environment {environment!r} of the platform has no profile {name!r}",
            where=tree.where(path) if tree else None,
            hint=meant_or_known(name, profiles),
        )


def _names(product: Product) -> Iterator[tuple[str, str]]:
    """Each field that holds a logical name, and the name."""
    spec = product.spec
    yield from (("compute", spec.compute), ("storage", spec.storage), ("catalog", spec.catalog))
    for logical, field in other_computes(spec).items():
        yield field, logical
