"""The namespace of a product in one environment, and what it says about the product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.openlineage.naming import Place
from floe_lakehouse.identifiers import Identifier, product_namespace
from floe_lakehouse.snapshots import ARTIFACT_DIGEST, ENVIRONMENT, PRODUCT, TENANT

OWNER: Final = "owner"
COMMENT: Final = "comment"
COMPILED_AT: Final = "floe.compiled-at"


@dataclass(frozen=True, slots=True)
class ProductNamespace:
    """A namespace that must be there, with at least these properties."""

    levels: Identifier
    properties: Mapping[str, str]


def product_namespaces(
    artifact: CompiledArtifacts, digest: str, *, tenant: str, compiled_at: datetime
) -> tuple[ProductNamespace, ...]:
    """The namespaces of a product: one for each environment that it was compiled for."""
    product = artifact.product
    shared = {
        OWNER: product.owner,
        COMMENT: product.description or product.name,
        TENANT: tenant,
        PRODUCT: product.name,
        ARTIFACT_DIGEST: digest,
        COMPILED_AT: compiled_at.astimezone(UTC).isoformat(timespec="microseconds"),
    }
    return tuple(
        ProductNamespace(
            product_namespace(Place(tenant, environment, product.name)), {**shared, ENVIRONMENT: environment}
        )
        for environment in artifact.environments
    )


def is_superseded(namespace: ProductNamespace, present: Mapping[str, str]) -> bool:
    """Whether the catalog's namespace speaks of a newer artifact already: events may come in another order."""
    return namespace.properties[COMPILED_AT] < present.get(COMPILED_AT, "")
