"""Comparing the access that a product should have with what is there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

from floe_catalog.core.access_facts import (
    CatalogRole,
    Claim,
    Fact,
    Grant,
    Membership,
    Namespace,
    Principal,
    PrincipalRole,
    RoleUse,
)
from floe_catalog.core.access_names import AccessNames, Client

_MADE: Final = (Namespace, Claim, PrincipalRole, CatalogRole, Grant, RoleUse, Principal, Membership)
"""The order in which things are made. Principals come last: their secrets are told once, so little may fail behind."""
_REMOVED: Final = (Membership, RoleUse, Grant, CatalogRole, PrincipalRole)
"""The order in which things are taken away: first who has something, then the thing."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it should be."""

    kind: Literal["missing", "extra"]
    fact: Fact

    def __str__(self) -> str:
        return f"{self.kind}: {self.fact}"


def differences(names: AccessNames, wanted: Collection[Fact], found: Collection[Fact]) -> tuple[Difference, ...]:
    """What is missing and what is too much, in the order in which it is put right.

    Too much is what `found` has below names that are floe's and `wanted` does not have. Left alone are namespaces and
    principals, which other products use too; the roles of other products that a principal has; and whoever else was
    given the role that reads, which is what it is there for.
    """
    missing = sorted(set(wanted) - set(found), key=lambda fact: _place_in(_MADE, fact))
    extra = sorted(
        (fact for fact in set(found) - set(wanted) if _is_ours(names, fact)),
        key=lambda fact: _place_in(_REMOVED, fact),
    )
    return (*(Difference("missing", fact) for fact in missing), *(Difference("extra", fact) for fact in extra))


def _is_ours(names: AccessNames, fact: Fact) -> bool:
    prefix = names.prefix
    match fact:
        case PrincipalRole(name) | CatalogRole(name):
            return name.startswith(prefix)
        case Grant(catalog_role=role):
            return role.startswith(prefix)
        case RoleUse(principal_role, catalog_role):
            return principal_role.startswith(prefix) or catalog_role.startswith(prefix)
        case Membership():
            return _is_our_membership(names, fact)
        case _:
            return False


def _is_our_membership(names: AccessNames, fact: Membership) -> bool:
    for client in Client:
        if fact.principal == names.principal(client):
            return not names.is_like(fact.principal_role, client) or fact.principal_role == names.role(client)
    if fact.principal_role == names.role(Client.SEMANTIC):
        return False
    return fact.principal_role.startswith(names.prefix)


def _place_in(order: tuple[type[Fact], ...], fact: Fact) -> tuple[int, str]:
    return order.index(type(fact)), str(fact)
