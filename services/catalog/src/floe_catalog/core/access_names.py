"""What the principals and roles of a product's services are called in the catalog."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from floe_contracts.openlineage.naming import Place
from floe_contracts.subjects import escape

_PREFIX: Final = "floe"
_PARTS: Final = 5


class Client(StrEnum):
    """A service that touches a product's tables."""

    EXECUTOR = "executor"
    CATALOG = "catalog"
    SEMANTIC = "semantic"


@dataclass(frozen=True, slots=True)
class AccessNames:
    """The names for one product in one environment; each part is escaped as in a subject.

    Attributes:
        place: the product and its environment.
        catalog: what platform.yaml calls the catalog: a service has one set of credentials for it, whichever
            environments and products use it.
    """

    place: Place
    catalog: str

    def principal(self, client: Client) -> str:
        """What a service logs in as: `floe.<tenant>.<catalog>.<service>`."""
        return ".".join((_PREFIX, escape(self.place.tenant), escape(self.catalog), client))

    def role(self, client: Client) -> str:
        """A service's principal role, and its catalog role: `floe.<tenant>.<environment>.<product>.<service>`."""
        return f"{self.prefix}{client}"

    @property
    def prefix(self) -> str:
        """How the names of all roles of the product in the environment begin."""
        place = self.place
        return ".".join((_PREFIX, escape(place.tenant), escape(place.environment), escape(place.product), ""))

    def is_like(self, name: str, client: Client) -> bool:
        """Whether a role is one of this service for some product of the tenant."""
        parts = name.split(".")
        return len(parts) == _PARTS and (*parts[:2], parts[-1]) == (_PREFIX, escape(self.place.tenant), client)
