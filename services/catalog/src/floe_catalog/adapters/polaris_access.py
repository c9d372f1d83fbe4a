"""Who may do what in a catalog of Apache Polaris: finding it, and putting it right, through the official client."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

from apache_polaris.sdk.catalog.models import (  # type: ignore[import-untyped]
    CreateNamespaceRequest,
    UpdateNamespacePropertiesRequest,
)
from apache_polaris.sdk.management import models  # type: ignore[import-untyped]

from floe_catalog.adapters.polaris_client import ABSENT, EXISTS, PolarisSession, ask, change, login
from floe_catalog.core.access_differences import Difference
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
from floe_catalog.core.access_names import AccessNames
from floe_catalog.core.polaris_servers import PolarisServer
from floe_lakehouse.identifiers import Identifier
from floe_lakehouse.snapshots import ENVIRONMENT, PRODUCT, TENANT

_LEVELS: Final = "\x1f"
_NAMES: Final = {
    "table": "tableName",
    "view": "viewName",
    "policy": "policyName",
    "semantic-model": "semanticModelName",
}
"""What a grant calls the name behind the levels of a namespace, by its kind."""


class PolarisAccess:
    """The access to one catalog of a Polaris server. Its methods block, and may be called again after any failure.

    Args:
        server: the server, and its administrator.
        warehouse: the catalog in it.
    """

    def __init__(self, server: PolarisServer, warehouse: str) -> None:
        self._session: PolarisSession = login(server)
        self._warehouse = warehouse

    def find(self, names: AccessNames, wanted: Collection[Fact]) -> frozenset[Fact]:
        """What there is of the access of a product: everything below its roles' names, and what of `wanted` is there.

        Raises:
            CatalogUnreachable: Polaris does not answer.
            AccessRefused: it refuses.
            AccessUnreadable: its answer is not understood.
        """
        facts: set[Fact] = set()
        for fact in wanted:
            if isinstance(fact, Namespace):
                facts |= set(self._namespace(fact.levels))
            elif isinstance(fact, Principal):
                facts |= set(self._principal(fact.name))
        facts |= set(self._catalog_roles(names.prefix))
        facts |= set(self._principal_roles(names.prefix))
        return frozenset(facts)

    def put_right(self, difference: Difference) -> tuple[str, str] | None:
        """Make what is missing, or take away what is too much; nothing if somebody has done so meanwhile.

        Returns:
            Client id and secret of a principal that is new.

        Raises:
            CatalogUnreachable: Polaris does not answer.
            AccessRefused: it refuses.
            AccessUnreadable: its answer is not understood.
        """
        if difference.kind == "extra":
            self._remove(difference.fact)
            return None
        if isinstance(difference.fact, Principal):
            return self._create_principal(difference.fact.name)
        self._make(difference.fact)
        return None

    def renew(self, principal: str) -> tuple[str, str]:
        """Give a principal a new secret; the old one ends.

        Raises:
            CatalogUnreachable: Polaris does not answer.
            AccessRefused: it refuses, or has no such principal.
            AccessUnreadable: its answer is not understood.
        """
        reset = self._session.management.reset_credentials
        return _credentials(ask(f"give {principal} a new secret", reset, principal, models.ResetPrincipalRequest()))

    def _namespace(self, levels: Identifier) -> Iterator[Fact]:
        load = self._session.catalog.load_namespace_metadata
        found = ask("tell of a namespace", load, self._warehouse, _LEVELS.join(levels), unless=ABSENT)
        if found is not None:
            yield Namespace(levels)
            said = found.properties or {}
            if PRODUCT in said:
                yield Claim(levels, said.get(TENANT, ""), said.get(ENVIRONMENT, ""), said[PRODUCT])

    def _principal(self, name: str) -> Iterator[Fact]:
        management = self._session.management
        if ask("tell of a principal", management.get_principal, name, unless=ABSENT) is not None:
            yield Principal(name)
            roles = ask("list a principal's roles", management.list_principal_roles_assigned, name, unless=ABSENT)
            yield from (Membership(name, role) for role in _names(roles and roles.roles))

    def _catalog_roles(self, prefix: str) -> Iterator[Fact]:
        management = self._session.management
        listed = ask("list catalog roles", management.list_catalog_roles, self._warehouse)
        for role in _below(prefix, listed.roles):
            yield CatalogRole(role)
            place = (self._warehouse, role)
            grants = ask("list grants", management.list_grants_for_catalog_role, *place, unless=ABSENT)
            yield from (_fact(role, grant) for grant in (grants.grants if grants else ()))
            listing = management.list_assignee_principal_roles_for_catalog_role
            having = ask("list who has a catalog role", listing, *place, unless=ABSENT)
            yield from (RoleUse(name, role) for name in _names(having and having.roles))

    def _principal_roles(self, prefix: str) -> Iterator[Fact]:
        management = self._session.management
        for role in _below(prefix, ask("list principal roles", management.list_principal_roles).roles):
            yield PrincipalRole(role)
            listing = management.list_catalog_roles_for_principal_role
            had = ask("list a role's catalog roles", listing, role, self._warehouse, unless=ABSENT)
            yield from (RoleUse(role, name) for name in _names(had and had.roles))
            listing = management.list_assignee_principals_for_principal_role
            members = ask("list who has a principal role", listing, role, unless=ABSENT)
            yield from (Membership(name, role) for name in _names(members and members.principals))

    def _make(self, fact: Fact) -> None:
        catalog, management, what = self._session.catalog, self._session.management, f"make {fact}"
        match fact:
            case Namespace(levels):
                named: Any = CreateNamespaceRequest(namespace=list(levels))
                change(what, catalog, "create_namespace", self._warehouse, named, unless=EXISTS)
            case Claim(levels):
                said = {TENANT: fact.tenant, ENVIRONMENT: fact.environment, PRODUCT: fact.product}
                named = UpdateNamespacePropertiesRequest(updates=said)
                change(what, catalog, "update_properties", self._warehouse, _LEVELS.join(levels), named)
            case PrincipalRole(name):
                named = models.CreatePrincipalRoleRequest(principal_role=models.PrincipalRole(name=name))
                change(what, management, "create_principal_role", named, unless=EXISTS)
            case CatalogRole(name):
                named = models.CreateCatalogRoleRequest(catalog_role=models.CatalogRole(name=name))
                change(what, management, "create_catalog_role", self._warehouse, named, unless=EXISTS)
            case Grant(role):
                named = models.AddGrantRequest(grant=_resource(fact))
                change(what, management, "add_grant_to_catalog_role", self._warehouse, role, named, unless=EXISTS)
            case RoleUse(role, name):
                named = models.GrantCatalogRoleRequest(catalog_role=models.CatalogRole(name=name))
                assign = "assign_catalog_role_to_principal_role"
                change(what, management, assign, role, self._warehouse, named, unless=EXISTS)
            case Membership(principal, role):
                named = models.GrantPrincipalRoleRequest(principal_role=models.PrincipalRole(name=role))
                change(what, management, "assign_principal_role", principal, named, unless=EXISTS)

    def _remove(self, fact: Fact) -> None:
        management, what = self._session.management, f"take away {fact}"
        match fact:
            case PrincipalRole(name):
                change(what, management, "delete_principal_role", name, unless=ABSENT)
            case CatalogRole(name):
                change(what, management, "delete_catalog_role", self._warehouse, name, unless=ABSENT)
            case Grant(role):
                named = models.RevokeGrantRequest(grant=_resource(fact))
                revoke, place = "revoke_grant_from_catalog_role", (self._warehouse, role)
                change(what, management, revoke, *place, revoke_grant_request=named, unless=ABSENT)
            case RoleUse(role, name):
                revoke = "revoke_catalog_role_from_principal_role"
                change(what, management, revoke, role, self._warehouse, name, unless=ABSENT)
            case Membership(principal, role):
                change(what, management, "revoke_principal_role", principal, role, unless=ABSENT)

    def _create_principal(self, name: str) -> tuple[str, str] | None:
        request = models.CreatePrincipalRequest(principal=models.Principal(name=name))
        made = ask(f"make principal {name}", self._session.management.create_principal, request, unless=EXISTS)
        return _credentials(made) if made is not None else None


def _credentials(principal: Any) -> tuple[str, str]:
    found = principal.credentials
    return str(found.client_id), found.client_secret.get_secret_value()


def _fact(role: str, grant: Any) -> Grant:
    said = grant.to_dict()
    name = said.get(_NAMES.get(grant.type, ""))
    path = (*said.get("namespace", ()), *((name,) if name else ()))
    return Grant(role, grant.type, path, grant.privilege.value)


def _resource(grant: Grant) -> Any:
    said: dict[str, Any] = {"type": grant.kind, "privilege": grant.privilege}
    if grant.kind in _NAMES:
        *levels, name = grant.path
        said |= {"namespace": levels, _NAMES[grant.kind]: name}
    elif grant.path:
        said |= {"namespace": list(grant.path)}
    return models.GrantResource.from_dict(said)


def _below(prefix: str, roles: Iterable[Any]) -> list[str]:
    return [name for name in _names(roles) if name.startswith(prefix)]


def _names(entities: Iterable[Any] | None) -> list[str]:
    return [entity.name for entity in entities or ()]
