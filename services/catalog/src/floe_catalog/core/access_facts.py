"""What a catalog with roles holds about a product: principals, roles, what they may do, and who has which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from floe_lakehouse.identifiers import Identifier, dotted


@dataclass(frozen=True, slots=True, order=True)
class Namespace:
    """A namespace exists."""

    levels: Identifier

    def __str__(self) -> str:
        return f"namespace {dotted(self.levels)}"


@dataclass(frozen=True, slots=True, order=True)
class Claim:
    """A namespace says that it belongs to a product; its own name does not say so."""

    levels: Identifier
    tenant: str
    environment: str
    product: str

    def __str__(self) -> str:
        return f"namespace {dotted(self.levels)} belongs to {self.product} of {self.tenant} in {self.environment}"


@dataclass(frozen=True, slots=True, order=True)
class PrincipalRole:
    """A principal role exists."""

    name: str

    def __str__(self) -> str:
        return f"principal role {self.name}"


@dataclass(frozen=True, slots=True, order=True)
class CatalogRole:
    """A catalog role exists."""

    name: str

    def __str__(self) -> str:
        return f"catalog role {self.name}"


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """A catalog role has a privilege.

    Attributes:
        catalog_role: who has it.
        kind: what it is on, in Polaris' words: catalog, namespace, table, view, policy.
        path: the levels of the namespace, and behind them the name of a table, view or policy; empty for the catalog.
        privilege: as Polaris calls it.
    """

    catalog_role: str
    kind: str
    path: Identifier
    privilege: str

    def __str__(self) -> str:
        place = f" {dotted(self.path)}" if self.path else ""
        return f"{self.privilege} on {self.kind}{place} for catalog role {self.catalog_role}"


@dataclass(frozen=True, slots=True, order=True)
class RoleUse:
    """A principal role has a catalog role."""

    principal_role: str
    catalog_role: str

    def __str__(self) -> str:
        return f"catalog role {self.catalog_role} for principal role {self.principal_role}"


@dataclass(frozen=True, slots=True, order=True)
class Principal:
    """A principal exists: what a service logs in as."""

    name: str

    def __str__(self) -> str:
        return f"principal {self.name}"


@dataclass(frozen=True, slots=True, order=True)
class Membership:
    """A principal has a principal role."""

    principal: str
    principal_role: str

    def __str__(self) -> str:
        return f"principal role {self.principal_role} for principal {self.principal}"


Fact: TypeAlias = Namespace | Claim | PrincipalRole | CatalogRole | Grant | RoleUse | Principal | Membership
