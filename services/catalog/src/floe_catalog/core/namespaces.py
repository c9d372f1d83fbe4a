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
RETIRED_AT: Final = "floe.retired-at"
_EVENT_TIMES: Final = (COMPILED_AT, RETIRED_AT)


@dataclass(frozen=True, slots=True)
class ProductNamespace:
    """A namespace that must be there, with at least these properties, and without those that are `removed`."""

    levels: Identifier
    properties: Mapping[str, str]
    removed: tuple[str, ...] = ()


def live_namespace(
    artifact: CompiledArtifacts, digest: str, *, place: Place, compiled_at: datetime
) -> ProductNamespace:
    """The namespace of a product in an environment that it was compiled for."""
    product = artifact.product
    properties = {
        OWNER: product.owner,
        COMMENT: product.description or product.name,
        TENANT: place.tenant,
        ENVIRONMENT: place.environment,
        PRODUCT: product.name,
        ARTIFACT_DIGEST: digest,
        COMPILED_AT: _spelled(compiled_at),
    }
    return ProductNamespace(product_namespace(place), properties, (RETIRED_AT,))


def retired_namespace(place: Place, retired_at: datetime) -> ProductNamespace:
    """What the namespace of a retired product says beside all else that it says."""
    return ProductNamespace(product_namespace(place), {RETIRED_AT: _spelled(retired_at)})


def is_superseded(namespace: ProductNamespace, present: Mapping[str, str]) -> bool:
    """Whether the catalog's namespace speaks of something newer already: events may come in another order."""
    said = max(namespace.properties.get(name, "") for name in _EVENT_TIMES)
    return any(said < present.get(name, "") for name in _EVENT_TIMES)


def _spelled(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")
