"""The access that a product's services need in its catalog, and no more.

Three services touch a product's tables: the executor writes them, the catalog service keeps them, and Cube, which the
semantic service renders for, reads them. Each of the three has one principal, which it logs in as, for each catalog of
platform.yaml, and for each product in each environment one principal role, which has one catalog role with privileges
on the product's namespaces. So a token with the scope `PRINCIPAL_ROLE:<role>` is good for one product alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

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
from floe_catalog.core.declared_tables import DeclaredTable
from floe_contracts.artifacts import CompiledArtifacts, CompiledEnvironment
from floe_contracts.attached_catalogs import is_attached
from floe_contracts.openlineage.naming import Place
from floe_lakehouse.identifiers import Identifier, product_namespace

_CATALOG: Final = "catalog"
_NAMESPACE: Final = "namespace"
"""Polaris' words for what privileges are on."""

_LANDED: Final[Mapping[Client, tuple[str, ...]]] = {
    Client.EXECUTOR: ("NAMESPACE_CREATE", "NAMESPACE_READ_PROPERTIES", "TABLE_CREATE", "TABLE_WRITE_DATA"),
    Client.CATALOG: ("NAMESPACE_CREATE", "NAMESPACE_WRITE_PROPERTIES", "TABLE_CREATE", "TABLE_WRITE_DATA"),
    Client.SEMANTIC: ("NAMESPACE_LIST", "TABLE_READ_DATA"),
}
"""What each service may do in a product's namespace, and so in the namespaces and tables below it.

Polaris derives smaller privileges from greater ones: who may write data may read it, and commit; who may create
namespaces may list them. None of the services may drop a table or a namespace.

- The executor lands: `TABLE_CREATE` for the first run of a table, `TABLE_WRITE_DATA` for credentials of the storage and
  for commits, `NAMESPACE_READ_PROPERTIES` to see whether a schema's namespace is there, `NAMESPACE_CREATE` to make it.
- The catalog service registers tables ahead of their first run (`TABLE_CREATE`, `NAMESPACE_CREATE`), says in the
  product's namespace what it is (`NAMESPACE_WRITE_PROPERTIES`), and keeps tables: rewriting data, expiring snapshots,
  removing files and rolling back are all commits and credentials of the storage, so `TABLE_WRITE_DATA`.
- Cube looks and reads: `NAMESPACE_LIST` and `TABLE_READ_DATA`.
"""

_ATTACHED: Final[Mapping[Client, tuple[str, ...]]] = {
    Client.EXECUTOR: ("NAMESPACE_READ_PROPERTIES", "TABLE_CREATE", "TABLE_WRITE_DATA"),
    Client.CATALOG: ("TABLE_WRITE_DATA",),
    Client.SEMANTIC: ("NAMESPACE_LIST", "TABLE_READ_DATA"),
}
"""The same in the namespaces of schemas of a catalog that DuckDB has attached: they are there, dbt makes the tables."""

_ATTACHED_OWN: Final = ("NAMESPACE_WRITE_PROPERTIES", "TABLE_LIST")
"""What the catalog service may do in the product's own namespace then: say what the product is, and look for tables."""

_ATTACHED_CATALOG: Final = "NAMESPACE_LIST"
"""What the executor may do in the whole catalog then: dbt asks DuckDB which tables there are, and DuckDB lists all
namespaces for it. Nothing else is wider than the product; Polaris has no smaller privilege for this one."""


def wanted_access(
    names: AccessNames, artifact: CompiledArtifacts, environment: CompiledEnvironment, tables: Collection[DeclaredTable]
) -> frozenset[Fact]:
    """Everything that must hold for the services to do their work, in as few privileges as Polaris allows.

    Where dbt writes into the attached catalog itself, the namespaces are there beforehand, and claimed for the product,
    whose name they do not hold.

    Args:
        names: what principals and roles are called.
        artifact: what the product was compiled into.
        environment: the environment of it.
        tables: those that come into the environment's catalog.
    """
    place = names.place
    clients = (
        *((Client.EXECUTOR,) if tables else ()),  # other computes write their tables themselves, as whom they like
        Client.CATALOG,
        *((Client.SEMANTIC,) if artifact.serving.cube else ()),
    )
    own, schemas = _own_namespace(place, environment), sorted({table.levels[:-1] for table in tables})
    facts: set[Fact] = set()
    for client in clients:
        role, principal = names.role(client), names.principal(client)
        facts |= {PrincipalRole(role), CatalogRole(role), RoleUse(role, role)}
        facts |= {Principal(principal), Membership(principal, role)}
        if is_attached(environment):
            facts |= _attached_grants(client, role, own, schemas)
        else:
            facts |= {Grant(role, _NAMESPACE, own, privilege) for privilege in _LANDED[client]}
    if is_attached(environment):
        facts |= {Claim(levels, place.tenant, place.environment, place.product) for levels in schemas}
    levels = {fact.path for fact in facts if isinstance(fact, Grant)}
    return frozenset(facts | {Namespace(path[:depth]) for path in levels for depth in range(1, len(path) + 1)})


def _attached_grants(client: Client, role: str, own: Identifier, schemas: Iterable[Identifier]) -> set[Fact]:
    grants: set[Fact] = {
        Grant(role, _NAMESPACE, schema, privilege) for schema in schemas for privilege in _ATTACHED[client]
    }
    if client is Client.CATALOG:
        grants |= {Grant(role, _NAMESPACE, own, privilege) for privilege in _ATTACHED_OWN}
    if client is Client.EXECUTOR:
        grants.add(Grant(role, _CATALOG, (), _ATTACHED_CATALOG))
    return grants


def _own_namespace(place: Place, environment: CompiledEnvironment) -> Identifier:
    """The namespace of a product, below the one that platform.yaml has all others stand below."""
    root = environment.catalog.properties.get("namespace")
    return (*(root.split(".") if root else ()), *product_namespace(place))
