"""The management API of Polaris, as far as floe uses it: principals, roles, grants, and who has which.

Each request is read, and each answer made, by the models of Polaris' official client.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from apache_polaris.sdk.management import models  # type: ignore[import-untyped]

from floe_catalog.testing.polaris_privileges import Need

WAREHOUSE: Final = "lake"
"""The one catalog that there is."""


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class Management:
    """Who may do what in the one catalog that there is.

    Attributes:
        principals: client id and secret of each.
        members: principals and the principal roles that they have.
        uses: principal roles and the catalog roles that they have.
        grants: what each catalog role was granted, as the API writes it.
        namespaces: tells whether there is a namespace.
        changes: method and path of each change so far.
        failing: so many changes are done yet, then one is answered by 503; None: all are done.
        answers_entities: whether a new role is answered with what it is, as newer servers do, or with nothing.
        unchecked: told of the grants of every role in place of what is so, as a newer server might.
    """

    namespaces: Callable[[tuple[str, ...]], bool]
    principals: dict[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    principal_roles: set[str] = field(default_factory=lambda: {"service_admin"})
    catalog_roles: set[str] = field(default_factory=lambda: {"catalog_admin"})
    members: set[tuple[str, str]] = field(default_factory=set)
    uses: set[tuple[str, str]] = field(default_factory=set)
    grants: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    failing: int | None = None
    answers_entities: bool = True
    unchecked: dict[str, Any] | None = None

    def granted(self, principal: str, scope: str) -> list[Need]:
        """What a principal was granted on the catalog, namespaces and tables, by the roles that a token is good for."""
        wanted = scope.removeprefix("PRINCIPAL_ROLE:")
        roles = {role for name, role in self.members if name == principal and wanted in {"ALL", role}}
        having = {catalog_role for role, catalog_role in self.uses if role in roles}
        return [
            ((*grant.get("namespace", ()), *([grant["tableName"]] if "tableName" in grant else [])), grant["privilege"])
            for role in having
            for grant in self.grants.get(role, [])
        ]

    def answer(self, method: str, parts: list[str], body: dict[str, Any]) -> Any:
        """The document that answers a call; its path begins behind `/v1/`.

        Raises:
            Refused: there is no success.
        """
        if method != "GET":
            self._count()
        match parts:
            case ["principals", *rest]:
                told = _principals(self, method, rest, body)
            case ["principal-roles", *rest]:
                told = _principal_roles(self, method, rest, body)
            case ["catalogs", "lake", "catalog-roles", *rest]:
                told = _catalog_roles(self, method, rest, body)
            case _:
                raise Refused(404, f"there is no {'/'.join(parts)}")
        if method != "GET":
            self.changes.append(f"{method} {'/'.join(parts)}")
        return told

    def _count(self) -> None:
        if self.failing == 0:
            self.failing = None
            raise Refused(503, "not now")
        self.failing = self.failing - 1 if self.failing is not None else None


def _principals(state: Management, method: str, parts: list[str], body: dict[str, Any]) -> Any:
    match (method, *parts):
        case ("POST",):
            name = models.CreatePrincipalRequest.from_dict(body).principal.name
            _check(name not in state.principals, 409, name)
            return _new_secret(state, name, secrets.token_hex(8))
        case ("GET", name):
            _check(name in state.principals, 404, name)
            return models.Principal(name=name, client_id=state.principals[name][0]).to_dict()
        case ("POST", name, "reset"):
            models.ResetPrincipalRequest.from_dict(body)
            _check(name in state.principals, 404, name)
            return _new_secret(state, name, state.principals[name][0])
        case ("GET", name, "principal-roles"):
            _check(name in state.principals, 404, name)
            return _principal_role_list(role for principal, role in state.members if principal == name)
        case ("PUT", name, "principal-roles"):
            role = models.GrantPrincipalRoleRequest.from_dict(body).principal_role.name
            _check(name in state.principals and role in state.principal_roles, 404, f"{name} or {role}")
            state.members.add((name, role))
        case ("DELETE", name, "principal-roles", role):
            _check((name, role) in state.members, 404, f"{role} of {name}")
            state.members.remove((name, role))
        case _:
            raise Refused(404, f"{method} {parts}")
    return None


def _principal_roles(state: Management, method: str, parts: list[str], body: dict[str, Any]) -> Any:
    match (method, *parts):
        case ("GET",):
            return _principal_role_list(state.principal_roles)
        case ("POST",):
            name = models.CreatePrincipalRoleRequest.from_dict(body).principal_role.name
            _check(name not in state.principal_roles, 409, name)
            state.principal_roles.add(name)
            return models.PrincipalRole(name=name).to_dict() if state.answers_entities else None
        case ("DELETE", name):
            _check(name in state.principal_roles, 404, name)
            state.principal_roles.remove(name)
            state.uses = {use for use in state.uses if use[0] != name}
            state.members = {member for member in state.members if member[1] != name}
        case ("GET", name, "principals"):
            found = [models.Principal(name=principal) for principal, role in sorted(state.members) if role == name]
            return models.Principals(principals=found).to_dict()
        case ("GET", name, "catalog-roles", "lake"):
            return _catalog_role_list(role for principal_role, role in state.uses if principal_role == name)
        case ("PUT", name, "catalog-roles", "lake"):
            role = models.GrantCatalogRoleRequest.from_dict(body).catalog_role.name
            _check(name in state.principal_roles and role in state.catalog_roles, 404, f"{name} or {role}")
            state.uses.add((name, role))
        case ("DELETE", name, "catalog-roles", "lake", role):
            _check((name, role) in state.uses, 404, f"{role} of {name}")
            state.uses.remove((name, role))
        case _:
            raise Refused(404, f"{method} {parts}")
    return None


def _catalog_roles(state: Management, method: str, parts: list[str], body: dict[str, Any]) -> Any:
    match (method, *parts):
        case ("GET",):
            return _catalog_role_list(state.catalog_roles)
        case ("POST",):
            name = models.CreateCatalogRoleRequest.from_dict(body).catalog_role.name
            _check(name not in state.catalog_roles, 409, name)
            state.catalog_roles.add(name)
            return models.CatalogRole(name=name).to_dict() if state.answers_entities else None
        case ("DELETE", name):
            _check(name in state.catalog_roles, 404, name)
            state.catalog_roles.remove(name)
            state.grants.pop(name, None)
            state.uses = {use for use in state.uses if use[1] != name}
        case ("GET", name, "principal-roles"):
            return _principal_role_list(role for role, catalog_role in state.uses if catalog_role == name)
        case ("GET", name, "grants"):
            if state.unchecked is not None:
                return state.unchecked
            resources = [models.GrantResource.from_dict(grant) for grant in state.grants.get(name, [])]
            return models.GrantResources(grants=resources).to_dict()
        case ("PUT", name, "grants"):
            grant = _grant(state, name, models.AddGrantRequest.from_dict(body).grant)
            given = state.grants.setdefault(name, [])
            given.extend([grant] if grant not in given else [])
        case ("POST", name, "grants"):
            grant = _grant(state, name, models.RevokeGrantRequest.from_dict(body).grant)
            _check(grant in state.grants.get(name, []), 404, f"grant {grant}")
            state.grants[name].remove(grant)
        case _:
            raise Refused(404, f"{method} {parts}")
    return None


def _new_secret(state: Management, name: str, client_id: str) -> dict[str, Any]:
    state.principals[name] = (client_id, secrets.token_hex(16))
    credentials = {"clientId": client_id, "clientSecret": state.principals[name][1]}
    told = {"principal": {"name": name, "clientId": client_id}, "credentials": credentials}
    models.PrincipalWithCredentials.from_dict(told)
    return told


def _grant(state: Management, role: str, resource: Any) -> dict[str, Any]:
    _check(role in state.catalog_roles, 404, role)
    grant: dict[str, Any] = json.loads(resource.to_json())
    there = grant["type"] == "catalog" or state.namespaces(tuple(grant["namespace"]))
    _check(there, 404, f"namespace {grant.get('namespace')}")
    return grant


def _principal_role_list(names: Iterable[str]) -> Any:
    return models.PrincipalRoles(roles=[models.PrincipalRole(name=name) for name in sorted(names)]).to_dict()


def _catalog_role_list(names: Iterable[str]) -> Any:
    return models.CatalogRoles(roles=[models.CatalogRole(name=name) for name in sorted(names)]).to_dict()


def _check(holds: bool, status: int, what: str) -> None:
    if not holds:
        raise Refused(status, f"{what} exists" if status == 409 else f"there is no {what}")
